"""Publish a backbone with its own pretrained classifier, such as ImageNet's 1,000 classes, without any training."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from graft.bundle.golden import Golden
from graft.bundle.head_runner import HeadRunner
from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import Bundle
from graft.bundle.publish import publish
from graft.bundle.repository import validate_model_name
from graft.bundle.signature import TensorSpec
from graft.errors import DownloadFailed, RecipeError
from graft.progress import Progress
from zoo.catalog.backbone import Backbone, Precision
from zoo.catalog.imagenet_classifiers import (
    TASK_FILE,
    PretrainedClassifier,
    count_preset_classes,
    find_pretrained_classifier,
    imagenet_classes,
)
from zoo.convert.process.child_process import run_conversion_task
from zoo.sample_inputs import PHOTO_CREDIT, load_photos
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

_TENSOR_PACKAGES = ("onnx",)
_KERAS_PACKAGES = ("tensorflow", "keras", "keras_cv", "onnx")
_PRESET_PACKAGES = ("tensorflow", "keras_hub", "onnx")
_TRAINING_DATA = "ImageNet-1k, or what the publisher of the weights trained on"
_MISSING_STATUSES = (403, 404)  # of servers, for files that do not exist


def publish_classifier(
    backbone: Backbone,
    models: Path,
    name: str,
    precision: Precision,
    progress: Progress,
    labels: tuple[str, ...] | None = None,
) -> Bundle:
    """Publish `backbone` with its own classifier as the next version of `name` under `models`.

    Its golden samples are scikit-learn's two photos. `labels` replaces the names of ImageNet's 1,000 classes.

    Raises:
        RecipeError: the backbone has no classifier that can become a head, the name is not allowed, or there is not
            one label a class.
        WeightsError: its weights could not be fetched, its files are of different trainings, or not those of the lock
            file.
        TrunkError: its trunk could not be built.
        MissingExtra: the packages that build it are not installed.
        ReplayFailed: the finished files do not reproduce the golden samples.
        PublishFailed: the bundle could not be written.
    """
    validate_model_name(name)
    classifier = find_pretrained_classifier(backbone)  # fails before anything large is fetched
    file = _fetch_classifier(classifier, progress)
    names = _resolve_labels(classifier, file, labels)
    if precision is Precision.INT8 and backbone.precision is not Precision.INT8:
        progress.log(f"note: int8 of {backbone.name} is {backbone.int8}; its published accuracy is that of fp32.")
    trunk = Trunk.from_backbone(classifier.trunk, precision, progress)
    head = _extract_head(classifier, file, trunk, len(names), progress)
    golden = Golden.record(load_photos(), trunk.inputs, trunk, HeadRunner(head))
    manifest = _make_manifest(classifier.trunk, name, precision, trunk, names)
    return publish(models, manifest, trunk=trunk.path, head=head, golden=golden, extras={})


def _fetch_classifier(classifier: PretrainedClassifier, progress: Progress) -> Path | None:
    """Fetch the classifier's files and return the first; None if it is in the trunk's own file."""
    if classifier.source is None:
        return None
    try:
        return weights_cache.fetch_weights(classifier.backbone_to_fetch(), progress)
    except DownloadFailed as fault:
        if not classifier.is_from_preset or fault.status not in _MISSING_STATUSES:
            raise
        raise RecipeError(
            f"{classifier.trunk.name} comes without a classifier: there is no {TASK_FILE} beside its weights ({fault}) "
            "`finetune` trains one on your own pictures."
        ) from None


def _resolve_labels(
    classifier: PretrainedClassifier, file: Path | None, labels: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return the names of the classes: `labels`, or those of ImageNet if the classifier was trained on it."""
    count = count_preset_classes(file) if classifier.is_from_preset and file else len(imagenet_classes())
    if labels is None and count == len(imagenet_classes()) and "imagenet" in classifier.trunk.name.partition(".")[2]:
        return imagenet_classes()
    if labels is None:
        raise RecipeError(
            f"the classifier of {classifier.trunk.name} has {count:,} classes that are not known to be ImageNet's "
            f"{len(imagenet_classes()):,}. Name them, one a line in their order: --labels FILE."
        )
    if len(labels) != count:
        raise RecipeError(
            f"there are {len(labels):,} labels, and the classifier of {classifier.trunk.name} has {count:,} classes."
        )
    return labels


def _extract_head(
    classifier: PretrainedClassifier, file: Path | None, trunk: Trunk, count: int, progress: Progress
) -> bytes:
    """Return the bytes of head.onnx, for `count` classes; `file` holds the classifier unless the trunk's file does."""
    name = classifier.trunk.name
    task_arguments: dict[str, Any] = {
        "backbone": name,
        "weights": str(weights_cache.fetch_weights(classifier.trunk, progress)),
        "trunk": str(trunk.path),
        "classes": count,
    }
    packages: tuple[str, ...] = _PRESET_PACKAGES
    if classifier.factory:
        packages = _KERAS_PACKAGES
        task_arguments |= {"factory": classifier.factory} | ({"whole": str(file)} if file else {})
    elif classifier.kernel:
        packages = _TENSOR_PACKAGES
        task_arguments |= {"kernel": classifier.kernel, "bias": classifier.bias}
    with (
        tempfile.TemporaryDirectory() as scratch,
        progress.bar(f"extracting the classifier of {name} from its weights", None),
    ):
        folder = Path(scratch)
        run_conversion_task(
            "head", task_arguments, folder, packages=packages, error_prefix=f"the classifier of {name} cannot be used: "
        )
        return (folder / "head.onnx").read_bytes()


def _make_manifest(
    backbone: Backbone, name: str, precision: Precision, trunk: Trunk, labels: tuple[str, ...]
) -> Manifest:
    scores = TensorSpec("scores", "float32", (-1, len(labels)))
    return Manifest.for_trunk(
        trunk.inputs,
        trunk.signature,
        trunk.sha256,
        [scores],
        name=name,
        task="classify",
        labels=labels,
        backbone={
            "name": backbone.name,
            "weights_sha256": trunk.facts.get("weights_sha256"),
            "license": backbone.license,
            "restricts": backbone.restricts,
            "top1": backbone.top1,  # in percent, as published; it was not measured here
        },
        precision=precision,
        depth="none",  # nothing was trained here
        head={"kind": "published"},
        metrics={},
        data={"source": _TRAINING_DATA, "samples": PHOTO_CREDIT},
        samples="zoo",
    )
