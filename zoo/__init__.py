"""Pretrained models: catalog, weights, trunks, conversion and export.

>>> import zoo
>>> zoo.get_backbone("resnet50").width
2048
"""

from zoo.catalog.backbone import Backbone, Precision
from zoo.catalog.find import all_backbones, find_backbones, get_backbone

__all__ = ["Backbone", "Precision", "all_backbones", "find_backbones", "get_backbone"]
