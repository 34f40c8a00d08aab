"""A backbone with its own classifier, published: a model of ImageNet's 1,000 classes that nobody had to train."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import zoo
from zoo import weights
from zoo.backbone import Backbone, Precision
from zoo.build.errands import do
from zoo.bundle import Bundle
from zoo.catalog.tops import TASK
from zoo.errors import DownloadFailed, RecipeError
from zoo.golden import Golden
from zoo.heads import OwnHead, classes, classes_of_task, own_head
from zoo.manifest import Manifest
from zoo.names import check_name
from zoo.pictures import CREDIT, photos
from zoo.progress import Progress
from zoo.publish import publish
from zoo.replay import replay
from zoo.signature import Signature, Tensor
from zoo.trunk import Trunk, open_session

_TENSORS = ("onnx",)
_KERAS = ("tensorflow", "keras", "keras_cv", "onnx")
_PRESET = ("tensorflow", "keras_hub", "onnx")
_SOURCE = "ImageNet-1k, or what the publisher of the weights trained on"
_ABSENT = (403, 404)  # what servers say of files that are not there


def publish_classifier(
    backbone: Backbone,
    models: Path,
    name: str,
    precision: Precision,
    progress: Progress,
    labels: tuple[str, ...] | None = None,
) -> Bundle:
    """Publish `backbone` with its own classifier as the next version of `name` under `models`.

    Its golden samples are scikit-learn's two photos. `labels` are others than ImageNet's 1,000.

    Raises:
        RecipeError: the backbone has no classifier of the form that a head has, or the name is not allowed, or the
            labels are not as many as the classes.
        WeightsError: its weights could not be had, or are not one training's, or not those of the lock file.
        TrunkError: its trunk could not be built.
        MissingExtra: what builds it is not installed.
        ReplayFailed: the finished files do not repeat themselves.
        PublishFailed: the bundle could not be written.
    """
    check_name(name)
    own = own_head(backbone)  # what cannot be published is told before anything large is fetched
    file = _file(own, progress)
    names = _labels(own, file, labels)
    if precision is Precision.INT8 and backbone.precision is not Precision.INT8:
        progress.say(f"note: int8 of {backbone.name} is {backbone.int8}; its published accuracy is that of fp32.")
    trunk = Trunk.of(own.trunk, precision, progress)
    head = _head(own, file, trunk, len(names), progress)
    session = open_session(head)

    def answer(features: Any) -> Any:  # noqa: ANN401 - float32 [n,d] -> float32 [n,k]
        return session.run(None, {"features": features})[0]

    golden = Golden.of(photos(), trunk.inputs, trunk, answer)
    manifest = _manifest(own.trunk, name, precision, trunk, names)
    reopened = Trunk(trunk.path, trunk.sha256, trunk.signature, trunk.inputs, trunk.facts)
    replay(Golden.of_npz(golden.to_npz(), "golden.npz"), manifest, trunk.inputs, reopened, answer)
    return publish(models, manifest, trunk=trunk.path, head=head, golden=golden, extras={})


def _file(own: OwnHead, progress: Progress) -> Path | None:
    """Fetch the classifier where it is not in the trunk's file; of several files the first is returned."""
    if own.source is None:
        return None
    try:
        return weights.fetch(own.fetched(), progress)
    except DownloadFailed as fault:
        if not own.of_preset or fault.status not in _ABSENT:
            raise
        raise RecipeError(
            f"{own.trunk.name} comes without a classifier: there is no {TASK} beside its weights ({fault}) "
            "`finetune` trains one on your own pictures."
        ) from None


def _labels(own: OwnHead, file: Path | None, labels: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names of the classes: `labels`, or ImageNet's where the classifier is of those."""
    count = classes_of_task(file) if own.of_preset and file else len(classes())
    if labels is None and count == len(classes()) and "imagenet" in own.trunk.name.partition(".")[2]:
        return classes()
    if labels is None:
        raise RecipeError(
            f"the classifier of {own.trunk.name} has {count:,} classes that are not known to be ImageNet's "
            f"{len(classes()):,}. Name them, one a line in their order: --labels FILE."
        )
    if len(labels) != count:
        raise RecipeError(
            f"{len(labels):,} labels are given; the classifier of {own.trunk.name} has {count:,} classes."
        )
    return labels


def _head(own: OwnHead, file: Path | None, trunk: Trunk, count: int, progress: Progress) -> bytes:
    """Return the bytes of head.onnx, for `count` classes; `file` holds it where the trunk's does not."""
    name = own.trunk.name
    wish: dict[str, Any] = {
        "backbone": name,
        "weights": str(weights.fetch(own.trunk, progress)),
        "trunk": str(trunk.path),
        "classes": count,
    }
    needs: tuple[str, ...] = _PRESET
    if own.factory:
        needs = _KERAS
        wish |= {"factory": own.factory} | ({"whole": str(file)} if file else {})
    elif own.kernel:
        needs = _TENSORS
        wish |= {"kernel": own.kernel, "bias": own.bias}
    with (
        tempfile.TemporaryDirectory() as scratch,
        progress.bar(f"taking the classifier of {name} out of its weights", None),
    ):
        into = Path(scratch)
        do("head", wish, into, needs=needs, failed=f"the classifier of {name} cannot be used: ")
        return (into / "head.onnx").read_bytes()


def _manifest(backbone: Backbone, name: str, precision: Precision, trunk: Trunk, labels: tuple[str, ...]) -> Manifest:
    scores = Tensor("scores", "float32", (-1, len(labels)))
    return Manifest(
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
        input=trunk.inputs.spec() | {"decoder_version": trunk.inputs.version()},
        signature=Signature(trunk.signature.inputs, (*trunk.signature.outputs, scores)),
        trunk_sha256=trunk.sha256,
        head={"kind": "published"},
        metrics={},
        data={"source": _SOURCE, "samples": CREDIT},
        samples="zoo",
        graft=zoo.__version__,
    )
