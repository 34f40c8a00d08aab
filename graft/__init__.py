"""The shared floor of `zoo`, `finetune` and `service`: errors, bundles, inputs, runtime, tables, storage, progress.

It imports none of them.
"""

import os

__version__ = "0.1.0"

# ONNX Runtime (1.31, on Linux) sends telemetry over the network unless this variable is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
