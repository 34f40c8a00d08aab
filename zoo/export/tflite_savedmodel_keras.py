"""Export to TFLite, SavedModel and .keras in a child process, so that TensorFlow stays out of this one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from graft.bundle.open_bundle import Bundle
from graft.errors import BundleUnsupported, UnknownBackbone
from graft.progress import Progress
from zoo.catalog.find import all_backbones_with_unlisted, get_backbone
from zoo.convert.process.child_process import run_conversion_task
from zoo.export.proof import Proof
from zoo.manage.check_keras_file import check_harmless_classes
from zoo.weights import weights_cache

_REQUIRED_PACKAGES: Final = ("tensorflow", "keras", "onnx")
_KERAS_LIBRARY: Final = {True: "keras_cv", False: "keras_hub"}  # by whether the backbone takes images


def export_with_keras(
    bundle: Bundle, form: str, draft: Path, custom: Sequence[str], progress: Progress
) -> tuple[list[str], Proof, list[str]]:
    """Write one format into `draft`; return its files, the proof, and notes for the README.

    Raises:
        BundleUnsupported: this bundle cannot be exported in this format, or its weights are not the catalog's.
        ReplayFailed: the exported model's answers to the golden samples differ.
        WeightsError: the backbone's weights could not be fetched.
        MissingExtra: TensorFlow is not installed.
        RecipeError: the bundle's model.keras contains a class that is not allowed.
    """
    has_keras_file = "model.keras" in bundle.manifest.files
    if has_keras_file:  # a bundle's hashes prove integrity, not origin
        check_harmless_classes(bundle.layout.root / "model.keras")
    file = None if has_keras_file else _fetch_bundle_weights(bundle, progress)
    task_arguments: dict[str, Any] = {
        "bundle": str(bundle.layout.root.absolute()),
        "form": form,
        "weights": str(file) if file else None,
        "custom": list(custom),
    }
    packages = (
        _REQUIRED_PACKAGES
        if has_keras_file
        else (*_REQUIRED_PACKAGES, _KERAS_LIBRARY[bundle.manifest.sample_kind == "image"])
    )
    with progress.bar(f"building {form} in TensorFlow and replaying the golden samples there (about 20 s)", None):
        facts = run_conversion_task(
            "form",
            task_arguments,
            draft,
            packages=packages,
            error_prefix=f"{bundle.layout.root} cannot be exported as {form}: ",
        )
    return facts["files"], Proof(**facts["proof"]), _export_notes(bundle, form, custom)


def _fetch_bundle_weights(bundle: Bundle, progress: Progress) -> Path:
    """Fetch the pretrained weights that the bundle's trunk was built from; return their file."""
    record, root = bundle.manifest.backbone, bundle.layout.root
    try:
        backbone = get_backbone(str(record["name"]))
    except UnknownBackbone as fault:
        raise BundleUnsupported(f"{root} has no model.keras, and {fault} Export it as onnx.") from None
    if weights_cache.ensure_weights_hash(backbone, progress) != record.get("weights_sha256"):
        raise BundleUnsupported(
            f"{root} was built from other weights of {backbone.name} than the catalog's. Export it as onnx."
        )
    return weights_cache.fetch_weights(backbone, progress)


def _export_notes(bundle: Bundle, form: str, custom: Sequence[str]) -> list[str]:
    name = bundle.manifest.backbone.get("name")
    of_hub = any(backbone.name == name for backbone in all_backbones_with_unlisted() if backbone.library == "keras-hub")
    text = bundle.manifest.sample_kind != "image"
    int8_note = (
        "The bundle's trunk is int8; this format computes in fp32. Its answers to the golden samples are within the "
        "int8 tolerance, not equal."
    )
    hub = "Opening it needs the package keras-hub, imported first: the model contains its layers."
    own = f"Opening it needs {', '.join(custom)} as custom_objects: the file has those layers by name only."
    return [
        *([int8_note] if bundle.manifest.precision == "int8" else []),
        *([hub] if form == "keras" and (text or of_hub) else []),
        *([own] if form == "keras" and custom else []),
    ]
