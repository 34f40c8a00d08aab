"""A tiny real trunk, head and bundle, made in milliseconds without TensorFlow."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from PIL import Image

from graft.bundle.golden import Golden, array_sha256
from graft.bundle.head_runner import HeadRunner
from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import Bundle
from graft.bundle.publish import publish
from graft.bundle.signature import TensorSpec, image_signature
from graft.inputs.image import ImageInput
from graft.inputs.open_input import BatchArrays
from graft.storage.atomic_file import file_sha256, write_atomic
from graft.types import Float32Array
from service.models.engine import LoadedGraphs
from zoo.trunks.trunk import Trunk

SIZE, WIDTH = 8, 6
OPSET = 17


def picture(color: Sequence[int] | str = "red", size: tuple[int, int] = (20, 16), format: str = "PNG") -> bytes:
    """An image file of one colour."""
    return encode(np.asarray(Image.new("RGB", size, tuple(color) if not isinstance(color, str) else color)), format)


def encode(pixels: NDArray[np.uint8], format: str = "PNG") -> bytes:
    """An image file of an array."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


def tiny_trunk_bytes(seed: int = 0, size: int = SIZE) -> bytes:
    """An ONNX graph, uint8 [n,size,size,3] -> float32 [n,6]: mean and deviation of each channel, mixed by `seed`."""
    mix = np.random.default_rng(seed).normal(size=(2 * 3, WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=T.FLOAT),
        helper.make_node("Div", ["x", "scale"], ["u"]),
        helper.make_node("ReduceMean", ["u"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("ReduceL2", ["u"], ["norm"], axes=[1, 2], keepdims=0),
        helper.make_node("Concat", ["mean", "norm"], ["both"], axis=1),
        helper.make_node("MatMul", ["both", "mix"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_trunk",
        [helper.make_tensor_value_info("image", T.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info("features", T.FLOAT, ["n", WIDTH])],
        [numpy_helper.from_array(np.float32(255), "scale"), numpy_helper.from_array(mix, "mix")],
    )
    return graph_bytes(graph)


LABELS = {
    "classify": ("red", "green", "blue"),
    "tag": ("red", "green", "blue"),
    "regress": ("warmth",),
    "embed": (),
}
LAST = {"classify": "Softmax", "tag": "Sigmoid", "regress": "Identity"}  # the last node of a head, by task


def tiny_head_bytes(labels: int = 3, seed: int = 0, task: str = "classify", *, novelty: bool = False) -> bytes:
    """An ONNX graph, float32 [n,6] -> float32 [n,labels]: one random Gemm and what the task ends with.

    With `novelty` a second output float32 [n]: the length of the features.
    """
    random = np.random.default_rng(seed)
    weights = random.normal(size=(WIDTH, labels)).astype(np.float32)
    length = helper.make_node("ReduceL2", ["features"], ["novelty"], axes=[1], keepdims=0)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "w", "b"], ["logits"]),
            helper.make_node(LAST[task], ["logits"], ["scores"], **({"axis": -1} if task == "classify" else {})),
            *([length] if novelty else []),
        ],
        "tiny_head",
        [helper.make_tensor_value_info("features", T.FLOAT, ["n", WIDTH])],
        [
            helper.make_tensor_value_info("scores", T.FLOAT, ["n", labels]),
            *([helper.make_tensor_value_info("novelty", T.FLOAT, ["n"])] if novelty else []),
        ],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.zeros(labels, np.float32), "b")],
    )
    return graph_bytes(graph)


def tiny_trunk(folder: Path, seed: int = 0) -> Trunk:
    """The tiny trunk as a `Trunk`, its file in `folder`."""
    path = folder / f"tiny-{seed}.onnx"
    write_atomic(path, tiny_trunk_bytes(seed))
    return Trunk(path, file_sha256(path), image_signature(SIZE, WIDTH), ImageInput(SIZE), {"backbone": "tiny.random"})


def tiny_bundle(
    models: Path,
    name: str = "tiny",
    labels: Sequence[str] | None = None,
    seed: int = 0,
    trunk_seed: int = 0,
    *,
    task: str = "classify",
    threshold: float | None = None,
) -> Bundle:
    """Publish a tiny image bundle as the next version of `name` under `models`.

    With a `threshold` it says "unknown" to what has longer features.
    """
    trunk = tiny_trunk(models.parent / "tiny-trunks", trunk_seed)
    samples = [picture("red"), picture("green"), picture("blue")]
    return bundle_of(models, name, trunk, samples, task=task, labels=labels, seed=seed, threshold=threshold)


def bundle_of(
    models: Path,
    name: str,
    trunk: Trunk,
    samples: Sequence[bytes],
    *,
    task: str = "classify",
    labels: Sequence[str] | None = None,
    seed: int = 0,
    extras: Mapping[str, bytes] | None = None,
    threshold: float | None = None,
) -> Bundle:
    """Publish `trunk` with a random head for `task`, as the next version of `name` under `models`."""
    labels = tuple(LABELS[task] if labels is None else labels)
    head = None if task == "embed" else tiny_head_bytes(len(labels), seed, task, novelty=threshold is not None)
    facts = {
        "classify": {"kind": "logistic"},
        "tag": {"kind": "logistic", "thresholds": [0.5] * len(labels)},
        "regress": {"kind": "ridge", "unit": 1.0},
        "embed": {"kind": "none"},
    }
    scores = (TensorSpec("scores", "float32", (-1, len(labels))),) if head else ()
    novelty = (TensorSpec("novelty", "float32", (-1,)),) if threshold is not None else ()
    novelty_facts = {"novelty": {"kind": "length", "threshold": threshold, "unit": 1.0}} if novelty else {}
    manifest = Manifest.for_trunk(
        trunk.inputs,
        trunk.signature,
        trunk.sha256,
        (*scores, *novelty),
        name=name,
        task=task,
        labels=labels,
        backbone={"name": "tiny.random", "license": "CC0-1.0", "restricts": None, "weights_sha256": "0" * 64},
        precision="fp32",
        depth="probe",
        head=facts[task] | novelty_facts,
        metrics={"accuracy": 1.0},
        data={"source": "made"},
        samples="zoo",
    )
    golden = Golden.record(samples, trunk.inputs, trunk, HeadRunner(head) if head else None)
    return publish(models, manifest, trunk=trunk.path, head=head, golden=golden, extras=extras or {})


def graph_bytes(graph: onnx.GraphProto) -> bytes:
    """The bytes of a checked ONNX file."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


class FakeEngine:
    """An engine without ONNX Runtime: golden samples get their recorded answers, everything else `scores`.

    `before` is called before every answer to what is no golden sample, nor the zeros that a trunk is measured with:
    let it wait, or raise.
    """

    def __init__(self, scores: Sequence[float] = (0.7, 0.2, 0.1), before: Callable[[], None] = lambda: None) -> None:
        self.scores, self.before = np.array(scores, np.float32), before

    def open(self, bundle: Bundle) -> LoadedGraphs:
        """Remember the bundle's golden samples."""
        golden = bundle.read_golden()
        features = dict(zip(golden.arrays_sha256, golden.features, strict=True))
        scores = {row.tobytes(): answer for row, answer in zip(golden.features, golden.scores, strict=True)}

        def trunk(arrays: BatchArrays) -> Float32Array:
            rows = arrays["token_ids"] if "token_ids" in arrays else next(iter(arrays.values()))
            prints = [array_sha256(array) for array in rows]  # in a batch of one it is the decoded sample itself
            if rows.any() and not set(prints) <= features.keys():
                self.before()
            return np.array([features.get(one, np.ones(WIDTH)) for one in prints], np.float32)

        def head(rows: Float32Array) -> Float32Array:
            return np.array([scores.get(row.tobytes(), self.scores) for row in rows], np.float32)

        return LoadedGraphs(trunk, None if bundle.manifest.task == "embed" else head)
