"""The zoo: what a pretrained model is. Facts, weights, inputs, trunks and bundles."""

import os

from zoo.backbone import Backbone, Precision, all_backbones, get_backbone
from zoo.finding import find_backbones

__all__ = ["Backbone", "Precision", "all_backbones", "find_backbones", "get_backbone"]

__version__ = "0.1.0"

# ONNX Runtime (1.31, on Linux) notes how it is used and sends that over the network, unless this stands in the
# environment before it is loaded. What is asked of a model is nobody's business, and offline is offline.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
