"""What a text trunk's graph is worth: time of ours, of plain tf2onnx and of other exports; what int8 costs.

    python -m benchmarks.text FOLDER [OTHER.onnx ...]

FOLDER is a preset of a BERT that KerasHub reads, with its `tokenizer.json` (all-MiniLM-L6-v2, say). Each OTHER is
the same encoder with mean pooling, exported elsewhere: inputs int32 or int64 [n,t], `…ids`, `…mask` and
`…type_ids`. Ours come from `torch.onnx.export(dynamo=False, opset_version=17)` of the transformers model with its
attention "eager", as it is and after `onnxruntime.transformers.optimizer` (`model_type="bert"`). All are timed in
turn in one run, medians; texts are docstrings of the standard library, so equal Pythons time equal texts.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import keras_hub
import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx
from numpy.typing import NDArray
from tokenizers import Tokenizer

from benchmarks.timing import alternated, in_threads
from graft.runtime.session import open_session
from zoo.convert.int8_text import quantize_dense_layers
from zoo.convert.networks.text import Pooling, add_pooling
from zoo.convert.onnx_graph.canonical import serialize_onnx
from zoo.convert.onnx_graph.encoder import text_encoder_to_onnx
from zoo.convert.parity import check_text_parity

TOKENS, BATCHES, THREADS, ROUNDS = 128, (1, 8), (1, 2), 25
TEXTS, LONGEST, MIXED = 160, 256, 16
MODULES = (
    "argparse",
    "asyncio",
    "collections",
    "csv",
    "datetime",
    "email.message",
    "inspect",
    "logging",
    "random",
    "ssl",
)

Batch = dict[str, NDArray[np.int32]]
Session = onnxruntime.InferenceSession


def main() -> None:
    """Print three tables: conversion, time, and what int8 keeps."""
    folder, *others = map(Path, sys.argv[1:])
    graphs = converted(folder) | {path.name: path.read_bytes() for path in others}
    sessions = {name: open_session(data) for name, data in graphs.items()}
    print(f"texts of {TOKENS} tokens; a run takes one thread, two threads are two runs side by side, as in a server")
    for threads, batch in itertools.product(THREADS, BATCHES):
        timed(sessions, batch, threads)
    texts = tokenised(folder)
    expected = alone(sessions["ours"], texts)
    for name, of in sessions.items():
        kept(name, of, texts, expected)


def converted(folder: Path) -> dict[str, bytes]:
    """Return our fp32 and int8 graphs and tf2onnx's; say how long each took and how near to Keras it is."""
    backbone = keras_hub.models.BertBackbone.from_preset(str(folder))
    model = add_pooling(backbone, Pooling.MEAN)
    graphs: dict[str, bytes] = {}
    for name, convert in {
        "ours": lambda: text_encoder_to_onnx(model),
        "ours, int8 rows": lambda: quantize_dense_layers(text_encoder_to_onnx(model)),
        "plain tf2onnx": lambda: by_tf2onnx(model),
    }.items():
        began = time.perf_counter()
        graphs[name] = serialize_onnx(convert())
        print(f"{name:22} converted in {time.perf_counter() - began:5.1f} s, {len(graphs[name]) / 1e6:5.1f} MB")
    ours = functools.partial(run, open_session(graphs["ours"]))
    parity = check_text_parity(model, ours, backbone.vocabulary_size, backbone.max_sequence_length)
    print(f"ours and Keras, {parity.pictures} texts: apart by {parity.off / parity.largest:.1e} of the largest feature")
    return graphs


def by_tf2onnx(model: keras.Model) -> object:
    """Return what tf2onnx makes of the encoder, batch and length free."""
    names = [tensor.name for tensor in model.inputs]

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32, name=name) for name in names])
    def infer(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"features": model(dict(zip(names, values, strict=True)), training=False)}

    return tf2onnx.convert.from_function(infer, input_signature=infer.input_signature, opset=18)[0]


def timed(sessions: Mapping[str, Session], batch: int, threads: int) -> None:
    """Print each one's milliseconds and tokens per second: full texts of TOKENS tokens, one batch a thread."""
    ids = np.random.default_rng(0).integers(1000, 20000, (batch, TOKENS), np.int32)
    full = {"token_ids": ids, "padding_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}
    work: dict[str, Callable[[], object]] = {
        name: in_threads(functools.partial(run, of, full), threads, threads) for name, of in sessions.items()
    }
    taken = alternated(work, ROUNDS)
    for name, seconds in taken.items():
        print(
            f"{name:22} {threads} thread(s), batch {batch}: {seconds * 1e3:6.1f} ms, "
            f"{threads * batch * TOKENS / seconds:7,.0f} tokens/s, {seconds / taken['ours']:.2f} x ours"
        )


def run(of: Session, batch: Batch) -> NDArray[np.float32]:
    """Return the features [n,d] of a batch, whatever the graph calls its inputs."""
    feed = {}
    for tensor in of.get_inputs():
        kind = next(k for k, ends in ENDINGS.items() if tensor.name.endswith(ends))
        feed[tensor.name] = batch[kind].astype(np.int64 if "64" in tensor.type else np.int32)
    features: NDArray[np.float32] = of.run(None, feed)[0]
    return features


ENDINGS = {"padding_mask": ("mask",), "segment_ids": ("segment_ids", "type_ids"), "token_ids": ("ids",)}


def tokenised(folder: Path) -> list[list[int]]:
    """Return the token ids of TEXTS docstrings, in the order of the modules' names for them."""
    objects = (value for name in MODULES for _, value in inspect.getmembers(importlib.import_module(name)))
    documented = dict.fromkeys(" ".join((inspect.getdoc(value) or "").split()) for value in objects)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    chosen = [text for text in documented if text]
    return [encoding.ids for encoding in tokenizer.encode_batch(chosen[:: len(chosen) // TEXTS][:TEXTS])]


def padded(texts: list[list[int]]) -> Batch:
    """Return texts as one batch, as long as its longest."""
    ids = np.zeros((len(texts), max(map(len, texts))), np.int32)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    return {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}


def alone(of: Session, texts: list[list[int]]) -> NDArray[np.float32]:
    """Return the features [n,d] of texts run one by one."""
    return np.concatenate([run(of, padded([text])) for text in texts])


def kept(name: str, of: Session, texts: list[list[int]], expected: NDArray[np.float32]) -> None:
    """Print how near the features are to ours in fp32, and how far company and padding move them."""
    single = alone(of, texts)
    mixed = np.concatenate([run(of, padded(texts[at : at + MIXED])) for at in range(0, len(texts), MIXED)])
    near, company = cosine(single, expected), cosine(single, mixed)
    print(
        f"{name:22} {len(texts)} texts, cosine to ours in fp32: mean {near.mean():.4f}, lowest {near.min():.4f}; "
        f"alone to batches of {MIXED}: lowest {company.min():.6f}"
    )


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each pair of rows, [n,d] and [n,d] -> [n]."""
    products: NDArray[np.float32] = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return products


if __name__ == "__main__":
    main()
