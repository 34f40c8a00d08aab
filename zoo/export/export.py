"""One bundle -> one folder for another runtime, proven; or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

from graft.bundle.open_bundle import Bundle
from graft.bundle.repository import validate_model_name
from graft.progress import Progress
from graft.storage.atomic_folder import atomic_folder, require_absent
from zoo.export.companion_files import write_companion_files
from zoo.export.merged_onnx import make_onnx_runner, merge_trunk_and_head
from zoo.export.proof import Proof, prove_export
from zoo.export.tflite_savedmodel_keras import export_with_keras
from zoo.export.triton import triton_config

ExportFormat = Literal["onnx", "saved_model", "tflite", "triton", "keras"]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written."""

    form: ExportFormat
    folder: Path  # what was made, whole
    files: list[str]  # what the other runtime opens, as paths below `folder`
    proof: Proof
    notes: list[str]


@dataclass(frozen=True, slots=True)
class ExportDraft:
    """A form in its draft folder, proven there."""

    files: list[str]
    proof: Proof
    notes: list[str]


def export_bundle(
    bundle: Bundle, form: ExportFormat, out: Path, progress: Progress, custom: Sequence[str] = ()
) -> ExportResult:
    """Write `bundle` as `form` into the folder `out`; of Triton that is the model repository, of the rest the whole.

    `custom` names layers of the user's own in the bundle's model.keras, each "module:Class"; they are imported.

    Raises:
        PublishFailed: `out` is there already, or cannot be written.
        ReplayFailed: the other runtime does not repeat the golden samples.
        BundleUnsupported: the bundle has no such form; the message says why, and what to do.
        MissingExtra: what makes that form is not installed.
        RecipeError: the bundle has a name that no model may have.
    """
    # The name becomes a folder's: a bundle from elsewhere could call itself anything.
    folder = out / validate_model_name(bundle.manifest.name) if form == "triton" else out
    require_absent(folder)
    with atomic_folder(folder) as draft:
        exported = _EXPORTERS[form](bundle, form, draft, custom, progress)
        write_companion_files(draft, bundle, form, exported.files, exported.proof, exported.notes)
    return ExportResult(form, folder, exported.files, exported.proof, exported.notes)


def _export_onnx(bundle: Bundle, _: ExportFormat, draft: Path, __: Sequence[str], progress: Progress) -> ExportDraft:
    return _write_onnx(bundle, draft, "model.onnx", progress)


def _export_triton(bundle: Bundle, _: ExportFormat, draft: Path, __: Sequence[str], progress: Progress) -> ExportDraft:
    number = str(bundle.manifest.version)
    (draft / number).mkdir()
    exported = _write_onnx(bundle, draft, f"{number}/model.onnx", progress)
    (draft / "config.pbtxt").write_text(triton_config(bundle.manifest))
    note = "Triton itself was not run: the graph was proven in ONNX Runtime, which is what Triton runs it in."
    return ExportDraft(["config.pbtxt", *exported.files], exported.proof, [*exported.notes, note])


def _write_onnx(bundle: Bundle, draft: Path, file: str, progress: Progress) -> ExportDraft:
    with progress.bar("merging trunk and head", None):
        (draft / file).write_bytes(merge_trunk_and_head(bundle))
    with progress.bar("replaying the golden samples in ONNX Runtime", None):
        proof = prove_export(
            bundle, make_onnx_runner((draft / file).read_bytes(), bundle), f"ONNX Runtime {version('onnxruntime')}"
        )
    contrib = "the graph uses ONNX Runtime's own operators (domain com.microsoft); other runtimes of ONNX refuse it."
    int8_text = bundle.manifest.precision == "int8" and bundle.manifest.sample_kind != "image"
    return ExportDraft([file], proof, [contrib] if int8_text else [])


def _export_keras_form(
    bundle: Bundle, form: ExportFormat, draft: Path, custom: Sequence[str], progress: Progress
) -> ExportDraft:
    return ExportDraft(*export_with_keras(bundle, form, draft, custom, progress))


_EXPORTERS: Final[dict[ExportFormat, Callable[[Bundle, ExportFormat, Path, Sequence[str], Progress], ExportDraft]]] = {
    "keras": _export_keras_form,
    "onnx": _export_onnx,
    "saved_model": _export_keras_form,
    "tflite": _export_keras_form,
    "triton": _export_triton,
}
