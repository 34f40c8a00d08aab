"""Import a user's own Keras model as a bundle; ONNX Runtime must reproduce Keras' answers to the golden samples."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graft.bundle.golden import Golden
from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import Bundle
from graft.bundle.publish import publish
from graft.bundle.repository import validate_model_name
from graft.bundle.signature import Signature, TensorSpec
from graft.errors import RecipeError
from graft.inputs.image import ImageInput
from graft.progress import Progress
from graft.storage.atomic_file import file_sha256
from zoo.convert.process.child_process import run_conversion_task
from zoo.manage.check_keras_file import check_allowed_classes
from zoo.sample_inputs import PHOTO_CREDIT

_REQUIRED_PACKAGES: Final = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "sklearn")
_TASK_BY_ACTIVATION: Final = {"Softmax": "classify", "Sigmoid": "tag", "Identity": "regress"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """The model to import, and what its file does not say."""

    file: Path
    labels: tuple[str, ...]
    name: str
    scaling: str | None = None  # a value of `zoo.catalog.backbone.Scaling`; None if the model takes uint8
    scores: str | None = None  # softmax, sigmoid or number; None: by the model's last activation
    size: int | None = None  # side of its images in pixels, if the model leaves it open
    custom: tuple[str, ...] = ()  # "module:Class" each
    license: str = "unknown"


def import_keras_model(request: ImportRequest, models: Path, progress: Progress) -> tuple[Bundle, str]:
    """Publish a .keras file as the next version of `request.name`; return the bundle and the kind of network isolation.

    Raises:
        RecipeError: the file, its labels or its architecture is not supported; the message says what to do.
        ParityError: ONNX Runtime does not reproduce Keras.
        ReplayFailed: the finished files do not reproduce Keras' answers.
        MissingExtra: Keras is not installed.
        PublishFailed: the bundle could not be written.
    """
    validate_model_name(request.name)
    check_allowed_classes(request.file, request.custom)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with progress.bar(
            f"opening {request.file.name} in a process without network access, and checking parity (20 s)", None
        ):
            facts = run_conversion_task(
                "import",
                _task_arguments(request),
                folder,
                packages=_REQUIRED_PACKAGES,
                error_prefix=f"{request.file} cannot be imported: ",
            )
        _check_labels(request, facts["labels"])
        manifest = _make_manifest(request, facts, file_sha256(folder / "trunk.onnx"))
        golden = Golden.from_npz((folder / "golden.npz").read_bytes(), "golden.npz")
        head = (folder / "head.onnx").read_bytes()
        extras = {"model.keras": (folder / "model.keras").read_bytes()}
        bundle = publish(models, manifest, trunk=folder / "trunk.onnx", head=head, golden=golden, extras=extras)
    return bundle, str(facts["alone"])


def _task_arguments(request: ImportRequest) -> dict[str, Any]:
    return {
        "file": str(request.file.absolute()),
        "scaling": request.scaling,
        "scores": request.scores,
        "size": request.size,
        "custom": list(request.custom),
    }


def _check_labels(request: ImportRequest, outputs: int) -> None:
    if len(request.labels) != outputs:
        raise RecipeError(
            f"{request.file} gives {outputs} scores, and there are {len(request.labels)} labels. "
            "Give one label a score, in order."
        )


def _make_manifest(request: ImportRequest, facts: dict[str, Any], trunk_sha256: str) -> Manifest:
    task = _TASK_BY_ACTIVATION[facts["link"]]
    thresholds = {"thresholds": [0.5] * len(request.labels)} if task == "tag" else {}
    return Manifest.for_trunk(
        ImageInput(facts["size"]),
        Signature.from_dict(facts["signature"]),
        trunk_sha256,
        [TensorSpec("scores", "float32", (-1, len(request.labels)))],
        name=request.name,
        task=task,
        labels=request.labels,
        backbone={
            "name": f"{request.name}.imported",
            "weights_sha256": file_sha256(request.file),
            "license": request.license,
            "restricts": None,
        },
        precision="fp32",
        depth="none",  # nothing was trained here
        head={"kind": "imported", **thresholds},
        metrics={},
        data={
            "source": request.file.name,
            "scaling": request.scaling or "raw",
            "custom": list(request.custom),
            "samples": PHOTO_CREDIT,
        },
        training={"parity": facts["parity"], "tools": facts["tools"]},
        samples="zoo",
    )
