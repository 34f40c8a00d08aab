"""One bundle -> one folder for another runtime, proven; or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

from zoo.bundle import Bundle
from zoo.export.folder import check_free, made_whole
from zoo.export.keras_forms import make_form
from zoo.export.merged import merged, runner
from zoo.export.notes import write_notes
from zoo.export.proof import Proof, prove
from zoo.export.triton import config
from zoo.names import check_name
from zoo.progress import Progress

Form = Literal["onnx", "saved_model", "tflite", "triton", "keras"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    form: Form
    folder: Path  # what was made, whole
    files: list[str]  # what the other runtime opens, as paths below `folder`
    proof: Proof
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Made:
    """A form in its draft folder, proven there."""

    files: list[str]
    proof: Proof
    notes: list[str]


def export(bundle: Bundle, form: Form, out: Path, progress: Progress, custom: Sequence[str] = ()) -> Exported:
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
    folder = out / check_name(bundle.manifest.name) if form == "triton" else out
    check_free(folder)
    with made_whole(folder) as draft:
        made = _MAKERS[form](bundle, form, draft, custom, progress)
        write_notes(draft, bundle, form, made.files, made.proof, made.notes)
    return Exported(form, folder, made.files, made.proof, made.notes)


def _onnx(bundle: Bundle, _: Form, draft: Path, __: Sequence[str], progress: Progress) -> Made:
    return _onnx_at(bundle, draft, "model.onnx", progress)


def _triton(bundle: Bundle, _: Form, draft: Path, __: Sequence[str], progress: Progress) -> Made:
    number = str(bundle.manifest.version)
    (draft / number).mkdir()
    made = _onnx_at(bundle, draft, f"{number}/model.onnx", progress)
    (draft / "config.pbtxt").write_text(config(bundle.manifest))
    note = "Triton itself was not run: the graph was proven in ONNX Runtime, which is what Triton runs it in."
    return Made(["config.pbtxt", *made.files], made.proof, [*made.notes, note])


def _onnx_at(bundle: Bundle, draft: Path, file: str, progress: Progress) -> Made:
    with progress.bar("merging trunk and head", None):
        (draft / file).write_bytes(merged(bundle))
    with progress.bar("replaying the golden samples in ONNX Runtime", None):
        proof = prove(bundle, runner((draft / file).read_bytes(), bundle), f"ONNX Runtime {version('onnxruntime')}")
    contrib = "the graph uses ONNX Runtime's own operators (domain com.microsoft); other runtimes of ONNX refuse it."
    int8_text = bundle.manifest.precision == "int8" and bundle.manifest.input.get("kind") == "text"
    return Made([file], proof, [contrib] if int8_text else [])


def _by_keras(bundle: Bundle, form: Form, draft: Path, custom: Sequence[str], progress: Progress) -> Made:
    return Made(*make_form(bundle, form, draft, custom, progress))


_MAKERS: Final[dict[Form, Callable[[Bundle, Form, Path, Sequence[str], Progress], Made]]] = {
    "keras": _by_keras,
    "onnx": _onnx,
    "saved_model": _by_keras,
    "tflite": _by_keras,
    "triton": _triton,
}
