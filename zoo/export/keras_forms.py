"""SavedModel, TFLite and Keras' own file: made and proven by a child process, which alone imports TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from zoo import weights
from zoo.backbone import every, get
from zoo.build.errands import do
from zoo.bundle import Bundle
from zoo.errors import BundleUnsupported, UnknownBackbone
from zoo.export.proof import Proof
from zoo.keras_file import check_harmless
from zoo.progress import Progress

_NEEDED: Final = ("tensorflow", "keras", "onnx")
_LIBRARY: Final = {True: "keras_cv", False: "keras_hub"}  # by whether the backbone takes pictures


def make_form(
    bundle: Bundle, form: str, draft: Path, custom: Sequence[str], progress: Progress
) -> tuple[list[str], Proof, list[str]]:
    """Write a form into `draft`; return its files, the proof, and what there is to say.

    Raises:
        BundleUnsupported: there is no such form of this bundle, or its weights are not those of the catalog.
        ReplayFailed: the form does not repeat the golden samples.
        WeightsError: the backbone's weights could not be had.
        MissingExtra: TensorFlow is not installed.
        RecipeError: the bundle's model.keras holds what could do harm.
    """
    own = "model.keras" in bundle.manifest.files
    if own:  # a bundle's hashes prove that it is whole, not who made it
        check_harmless(bundle.layout.root / "model.keras")
    file = None if own else _weights(bundle, progress)
    wish: dict[str, Any] = {
        "bundle": str(bundle.layout.root.absolute()),
        "form": form,
        "weights": str(file) if file else None,
        "custom": list(custom),
    }
    needs = _NEEDED if own else (*_NEEDED, _LIBRARY[bundle.manifest.input.get("kind") == "image"])
    with progress.bar(f"building {form} in TensorFlow and replaying the golden samples there (about 20 s)", None):
        facts = do("form", wish, draft, needs=needs, failed=f"{bundle.layout.root} cannot be exported as {form}: ")
    return facts["files"], Proof(**facts["proof"]), _notes(bundle, form, custom)


def _weights(bundle: Bundle, progress: Progress) -> Path:
    """Return the pretrained weights that the bundle's trunk was built from."""
    told, root = bundle.manifest.backbone, bundle.layout.root
    try:
        backbone = get(str(told["name"]))
    except UnknownBackbone as fault:
        raise BundleUnsupported(f"{root} has no model.keras, and {fault} Export it as onnx.") from None
    if weights.ensure_hash(backbone, progress) != told.get("weights_sha256"):
        raise BundleUnsupported(
            f"{root} was made from other weights of {backbone.name} than the catalog's. Export it as onnx."
        )
    return weights.fetch(backbone, progress)


def _notes(bundle: Bundle, form: str, custom: Sequence[str]) -> list[str]:
    name = bundle.manifest.backbone.get("name")
    of_hub = any(backbone.name == name for backbone in every() if backbone.library == "keras-hub")
    text = bundle.manifest.input.get("kind") == "text"
    rounded = (
        "The bundle's trunk is int8; this form computes in fp32. Its answers to the golden samples are within what "
        "int8 is allowed, not the same."
    )
    hub = "Opening it needs the package keras-hub, imported first: its layers are in it."
    own = f"Opening it needs {', '.join(custom)} as custom_objects: those layers are in it by name only."
    return [
        *([rounded] if bundle.manifest.precision == "int8" else []),
        *([hub] if form == "keras" and (text or of_hub) else []),
        *([own] if form == "keras" and custom else []),
    ]
