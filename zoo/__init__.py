"""The zoo: what a pretrained model is. Facts, weights, trunks, conversion and export."""

from zoo.catalog.backbone import Backbone, Precision
from zoo.catalog.find import all_backbones, find_backbones, get_backbone

__all__ = ["Backbone", "Precision", "all_backbones", "find_backbones", "get_backbone"]
