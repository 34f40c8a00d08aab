"""What every peer serves alike: trunk.onnx and head.onnx in ONNX Runtime, JPEGs decoded by Pillow at full scale.

Runs in a peer's own environment, beside its server program. Where to look comes from the environment:
MODEL (a version's folder), WORKLOAD, PORT, and the knobs that `catalog.py` sets by hand.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnxruntime
from PIL import Image

MODEL = Path(os.environ["MODEL"])
WORKLOAD = os.environ["WORKLOAD"]
PORT = int(os.environ["PORT"])
THREADS = int(os.environ.get("THREADS", "0"))  # of one run; 0 is ONNX Runtime's default: as many as cores
WORKERS = int(os.environ.get("WORKERS", "0"))  # 0: the number that the peer's documentation starts with
SIZE = 224


def decode(file: bytes | bytearray | BinaryIO) -> np.ndarray:
    """Return an image file as uint8 [224,224,3], RGB."""
    return fit(Image.open(io.BytesIO(file) if isinstance(file, bytes | bytearray) else file))


def fit(image: Image.Image) -> np.ndarray:
    """Return an image as uint8 [224,224,3], RGB."""
    return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open an ONNX file with THREADS threads a run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Classifier:
    """The bundle: arrays of a batch -> a label and its probability for each item."""

    def __init__(self) -> None:
        manifest = json.loads((MODEL / "manifest.json").read_text())
        self.labels: list[str] = manifest["labels"]
        self.spec: dict[str, Any] = manifest["input"]
        self.trunk, self.head = open_session(MODEL / "trunk.onnx"), open_session(MODEL / "head.onnx")
        self.images = self.trunk.get_inputs()[0].name
        self.features = self.head.get_inputs()[0].name

    def images_of(self, pixels: np.ndarray) -> list[dict[str, Any]]:
        """Answer for uint8 [n,224,224,3]."""
        return self.answers({self.images: pixels})

    def answers(self, arrays: dict[str, np.ndarray]) -> list[dict[str, Any]]:
        """Answer for a batch of n."""
        features = self.trunk.run(None, arrays)[0]  # [n,d]
        scores = self.head.run(None, {self.features: features})[0]  # [n,k]
        best = scores.argmax(axis=1)
        return [{"label": self.labels[at], "probability": float(row[at])} for at, row in zip(best, scores, strict=True)]


class Tokens:
    """Texts -> the arrays that a text trunk takes, padded to the longest of them."""

    def __init__(self, spec: dict[str, Any]) -> None:
        from tokenizers import Tokenizer  # only the environments that serve texts have it

        self.tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
        self.tokenizer.enable_truncation(spec["max_tokens"])
        self.tokenizer.enable_padding(pad_id=spec["special"]["pad"])
        self.names = spec["arrays"]

    def __call__(self, texts: list[str]) -> dict[str, np.ndarray]:
        """Return int32 [n,t] each."""
        coded = self.tokenizer.encode_batch(texts)
        rows = {
            "token_ids": [one.ids for one in coded],
            "padding_mask": [one.attention_mask for one in coded],
            "segment_ids": [one.type_ids for one in coded],
        }
        return {name: np.array(rows[name], np.int32) for name in self.names}
