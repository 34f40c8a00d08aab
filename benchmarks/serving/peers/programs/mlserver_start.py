"""Write MLServer's two settings files into the working folder and start it there: `mlserver start .`.

WORKERS is `parallel_workers`. By hand (WORKERS set) what costs time and gives no answer is off: the access
log of debug mode, gzip, metrics.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import onnx_model


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    ports = {"host": "127.0.0.1", "http_port": onnx_model.PORT, "grpc_port": free_port(), "metrics_port": free_port()}
    tuned = {
        "parallel_workers": onnx_model.WORKERS,
        "debug": False,
        "gzip_enabled": False,
        "metrics_endpoint": None,
    }
    settings = {**ports, **(tuned if onnx_model.WORKERS else {})}
    Path("settings.json").write_text(json.dumps(settings))
    Path("model-settings.json").write_text(json.dumps({"name": "photos", "implementation": "mlserver_runtime.Photos"}))
    command = Path(sys.executable).with_name("mlserver")
    os.execv(command, [str(command), "start", "."])  # noqa: S606  # no shell is wanted
