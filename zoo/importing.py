"""A user's own Keras model -> a bundle with its proof: Keras answers the golden samples, ONNX Runtime repeats them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import zoo
from zoo.build.errands import do
from zoo.bundle import Bundle
from zoo.errors import RecipeError
from zoo.files import sha256_of
from zoo.golden import Golden
from zoo.image import ImageInput
from zoo.keras_file import check
from zoo.manifest import Manifest
from zoo.names import check_name
from zoo.pictures import CREDIT
from zoo.progress import Progress
from zoo.publish import publish
from zoo.replay import replay
from zoo.signature import Signature, Tensor
from zoo.trunk import Trunk, open_session

_NEEDED: Final = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "sklearn")
_TASKS: Final = {"Softmax": "classify", "Sigmoid": "tag", "Identity": "regress"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be taken in, and what its file does not say."""

    file: Path
    labels: tuple[str, ...]
    name: str
    scaling: str | None = None  # of `zoo.backbone.Scaling`; None where the model takes uint8
    scores: str | None = None  # softmax, sigmoid or number; None: as the model's last activation says
    size: int | None = None  # pixels, where the model leaves it open
    custom: tuple[str, ...] = ()  # "module:Class" each
    license: str = "unknown"


def import_model(wish: Wish, models: Path, progress: Progress) -> tuple[Bundle, str]:
    """Publish a .keras file as the next version of its name; return the bundle, and how its child left the network.

    Raises:
        RecipeError: the file, its labels or its form cannot be used; the message says why, and what to do.
        ParityError: ONNX Runtime does not repeat Keras.
        ReplayFailed: the finished files do not repeat what Keras answered.
        MissingExtra: Keras is not installed.
        PublishFailed: the bundle could not be written.
    """
    check_name(wish.name)
    check(wish.file, wish.custom)
    with tempfile.TemporaryDirectory() as scratch:
        into = Path(scratch)
        with progress.bar(f"opening {wish.file.name} in a process without a network, and proving it (20 s)", None):
            facts = do("import", _errand(wish), into, needs=_NEEDED, failed=f"{wish.file} cannot be taken in: ")
        _check_labels(wish, facts["labels"])
        manifest = _manifest(wish, facts, sha256_of(into / "trunk.onnx"))
        golden = Golden.of_npz((into / "golden.npz").read_bytes(), "golden.npz")
        head = (into / "head.onnx").read_bytes()
        inputs = ImageInput(facts["size"])
        trunk = Trunk(into / "trunk.onnx", manifest.trunk_sha256, manifest.signature, inputs, facts)
        replay(golden, manifest, inputs, trunk, _answers(head))
        extras = {"model.keras": (into / "model.keras").read_bytes()}
        bundle = publish(models, manifest, trunk=trunk.path, head=head, golden=golden, extras=extras)
    return bundle, str(facts["alone"])


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels in a text file, UTF-8, one a line in the order of the model's outputs.

    Raises:
        RecipeError: it cannot be read, or a label is empty or stands twice.
    """
    try:
        lines = tuple(line.strip() for line in path.read_text("utf-8-sig").rstrip().splitlines())
    except OSError as fault:
        raise RecipeError(f"{path} cannot be read ({fault.strerror}). It holds one label a line.") from None
    except UnicodeDecodeError as fault:
        raise RecipeError(f"{path} cannot be read as UTF-8 text ({fault}). It holds one label a line.") from None
    twice = sorted({line for line in lines if lines.count(line) > 1})
    if "" in lines or twice or not lines:
        odd = "an empty line" if "" in lines else f"{twice[0]!r} twice" if twice else "no label"
        raise RecipeError(f"{path} has {odd}. It holds one label a line, each its own, in the order of the outputs.")
    return lines


def _errand(wish: Wish) -> dict[str, Any]:
    return {
        "file": str(wish.file.absolute()),
        "scaling": wish.scaling,
        "scores": wish.scores,
        "size": wish.size,
        "custom": list(wish.custom),
    }


def _check_labels(wish: Wish, outputs: int) -> None:
    if len(wish.labels) != outputs:
        raise RecipeError(
            f"{wish.file} gives {outputs} scores, and there are {len(wish.labels)} labels: one each, in order."
        )


def _answers(head: bytes) -> Any:  # noqa: ANN401
    session = open_session(head)

    def answer(features: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = session.run(None, {"features": features})[0]
        return scores

    return answer


def _manifest(wish: Wish, facts: dict[str, Any], trunk_sha256: str) -> Manifest:
    inputs = ImageInput(facts["size"])
    trunk = Signature.of(facts["signature"])
    task = _TASKS[facts["link"]]
    thresholds = {"thresholds": [0.5] * len(wish.labels)} if task == "tag" else {}
    return Manifest(
        name=wish.name,
        task=task,
        labels=wish.labels,
        backbone={
            "name": f"{wish.name}.imported",
            "weights_sha256": sha256_of(wish.file),
            "license": wish.license,
            "restricts": None,
        },
        precision="fp32",
        depth="none",  # nothing was trained here
        input=inputs.spec() | {"decoder_version": inputs.version()},
        signature=Signature(trunk.inputs, (*trunk.outputs, Tensor("scores", "float32", (-1, len(wish.labels))))),
        trunk_sha256=trunk_sha256,
        head={"kind": "imported", **thresholds},
        metrics={},
        data={
            "source": wish.file.name,
            "scaling": wish.scaling or "raw",
            "custom": list(wish.custom),
            "samples": CREDIT,
        },
        training={"parity": facts["parity"], "tools": facts["tools"]},
        samples="zoo",
        graft=zoo.__version__,
    )
