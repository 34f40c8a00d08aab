"""The zoo: what a pretrained model is. Facts, weights, inputs, trunks and bundles."""

from zoo.backbone import Backbone, Precision, catalog, get
from zoo.finding import find

__all__ = ["Backbone", "Precision", "catalog", "find", "get"]

__version__ = "0.1.0"
