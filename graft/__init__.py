"""The floor that `zoo`, `finetune` and `service` stand on: what they all speak; it imports none of them."""

import os

__version__ = "0.1.0"

# ONNX Runtime (1.31, on Linux) notes how it is used and sends that over the network, unless this stands in the
# environment before it is loaded. What is asked of a model is nobody's business, and offline is offline.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
