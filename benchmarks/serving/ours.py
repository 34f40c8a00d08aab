"""Graft itself as a contender: `serve` as anybody starts it, or with flags."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.contender import MODEL, WORKLOADS, Workload, post, running
from benchmarks.serving.samples import sample

SERVE = "from service.cli import serve_main; serve_main()"


@dataclass(frozen=True)
class Graft:
    """Our server; which precision it serves is the repository's."""

    name: str = "Graft"
    precision: str = "fp32"
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workloads: frozenset[Workload] = frozenset(WORKLOADS)

    def serve(self, models: Path, workload: Workload, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Run `serve` on the repository."""
        return self.starting(models, port, self.request(workload, sample(workload)))

    def starting(self, models: Path, port: int, first: bytes) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Run `serve` on any repository; enters when the request `first` was answered."""
        command = [sys.executable, "-c", SERVE, "--models", models, "--port", str(port), *self.flags]
        return running(command, port, first, environment=self.environment)

    def request(self, workload: Workload, sample: bytes) -> bytes:
        """Return the request of a workload."""
        if workload == "jpeg":
            return post(f"/v1/models/{MODEL[workload]}:predict", "image/jpeg", sample)
        if workload == "text":
            return post(f"/v1/models/{MODEL[workload]}:predict", "text/plain", sample)
        path = f"/v2/models/{MODEL[workload]}/infer"
        return json_infer(path, sample) if workload == "json_tensor" else binary_infer(path, sample)


IMAGE = {"name": "image", "datatype": "UINT8", "shape": [1, 224, 224, 3]}


def json_infer(path: str, pixels: bytes) -> bytes:
    """Return a request of the Open Inference Protocol in plain JSON: flat data, the scores asked back."""
    body = {"inputs": [{**IMAGE, "data": list(pixels)}], "outputs": [{"name": "scores"}]}
    return post(path, "application/json", json.dumps(body, separators=(",", ":")).encode())


def binary_infer(path: str, pixels: bytes) -> bytes:
    """Return a request of its binary extension: a short JSON, then the pixels as they are."""
    scores = {"name": "scores", "parameters": {"binary_data": True}}
    image = {**IMAGE, "parameters": {"binary_data_size": len(pixels)}}
    head = json.dumps({"inputs": [image], "outputs": [scores]}, separators=(",", ":")).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    return post(path, "application/octet-stream", head + pixels, length)


FP32 = Graft()
INT8 = Graft("Graft int8", "int8")
