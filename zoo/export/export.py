"""Export a bundle to a folder for another runtime, atomically: replayed there first, or nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from graft.bundle.open_bundle import Bundle
from graft.bundle.repository import validate_model_name
from graft.errors import PublishFailed
from graft.progress import Progress
from graft.storage.atomic_folder import atomic_folder
from zoo.export import ExportFormat
from zoo.export.companion_files import write_companion_files
from zoo.export.merged_onnx import make_onnx_runner, merge_trunk_and_head
from zoo.export.proof import Proof, prove_export
from zoo.export.tflite_savedmodel_keras import export_with_keras
from zoo.export.triton import triton_config


@dataclass(frozen=True, slots=True)
class ExportResult:
    """An exported folder."""

    form: ExportFormat
    folder: Path
    files: list[str]  # the files that the other runtime opens, relative to `folder`
    proof: Proof
    notes: list[str]


@dataclass(frozen=True, slots=True)
class ExportDraft:
    """An export in its draft folder, replayed there."""

    files: list[str]
    proof: Proof
    notes: list[str]


def export_bundle(
    bundle: Bundle, form: ExportFormat, out: Path, progress: Progress, custom: Sequence[str] = ()
) -> ExportResult:
    """Write `bundle` in the format `form`.

    Args:
        bundle: the model version to export.
        form: the export format.
        out: the new folder; for Triton the model repository, in which a folder with the model's name is created.
        progress: where progress is reported.
        custom: custom layers in the bundle's model.keras, each "module:Class"; they are imported.

    Raises:
        PublishFailed: the folder exists already, or cannot be written.
        ReplayFailed: the other runtime's answers to the golden samples differ.
        BundleUnsupported: the bundle cannot be exported in this format; the message says why, and what to do.
        MissingExtra: a package for this format is not installed.
        RecipeError: the bundle has an invalid model name.
    """
    # The name becomes a folder name: a bundle from elsewhere could have any.
    folder = out / validate_model_name(bundle.manifest.name) if form == "triton" else out
    with _export_folder(folder) as draft:
        exported = _EXPORTERS[form](bundle, form, draft, custom, progress)
        write_companion_files(draft, bundle, form, exported.files, exported.proof, exported.notes)
    return ExportResult(form, folder, exported.files, exported.proof, exported.notes)


@contextmanager
def _export_folder(folder: Path) -> Iterator[Path]:
    """Yield a draft of `folder`, with errors that name the option.

    Raises:
        PublishFailed: `folder` exists already, or cannot be written.
    """
    try:
        if os.path.lexists(folder):  # before minutes of work
            raise FileExistsError
        with atomic_folder(folder) as draft:
            yield draft
    except FileExistsError:
        raise PublishFailed(
            f"{folder} exists already; nothing was changed. Choose another -o, or move the folder away."
        ) from None
    except OSError as fault:
        raise PublishFailed(
            f"{folder} could not be written ({fault.strerror}); nothing of it was kept. "
            "Free some space, or choose another -o."
        ) from None


def _export_onnx(bundle: Bundle, _: ExportFormat, draft: Path, __: Sequence[str], progress: Progress) -> ExportDraft:
    return _write_onnx(bundle, draft, "model.onnx", progress)


def _export_triton(bundle: Bundle, _: ExportFormat, draft: Path, __: Sequence[str], progress: Progress) -> ExportDraft:
    number = str(bundle.manifest.version)
    (draft / number).mkdir()
    exported = _write_onnx(bundle, draft, f"{number}/model.onnx", progress)
    (draft / "config.pbtxt").write_text(triton_config(bundle.manifest))
    note = "Triton itself was not run: the graph was replayed in ONNX Runtime, which Triton uses."
    return ExportDraft(["config.pbtxt", *exported.files], exported.proof, [*exported.notes, note])


def _write_onnx(bundle: Bundle, draft: Path, file: str, progress: Progress) -> ExportDraft:
    with progress.bar("merging trunk and head", None):
        (draft / file).write_bytes(merge_trunk_and_head(bundle))
    with progress.bar("replaying the golden samples in ONNX Runtime", None):
        proof = prove_export(
            bundle, make_onnx_runner((draft / file).read_bytes(), bundle), f"ONNX Runtime {version('onnxruntime')}"
        )
    contrib = "The graph uses ONNX Runtime's contrib operators (domain com.microsoft); other ONNX runtimes refuse it."
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
