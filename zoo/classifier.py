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
from zoo.golden import Golden
from zoo.heads import classes, own_head
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


def publish_classifier(backbone: Backbone, models: Path, name: str, precision: Precision, progress: Progress) -> Bundle:
    """Publish `backbone` with its own classifier as the next version of `name` under `models`.

    Its golden samples are scikit-learn's two photos.

    Raises:
        RecipeError: the backbone has no classifier of the form that a head has, or the name is not allowed.
        WeightsError: its weights could not be had, or are not one training's.
        TrunkError: its trunk could not be built.
        MissingExtra: what builds it is not installed.
        ReplayFailed: the finished files do not repeat themselves.
        PublishFailed: the bundle could not be written.
    """
    check_name(name)
    own_head(backbone)  # what cannot be published is told before anything is fetched
    if precision is Precision.INT8 and backbone.precision is not Precision.INT8:
        progress.say(f"note: int8 of {backbone.name} is {backbone.int8}; its published accuracy is that of fp32.")
    trunk = Trunk.of(backbone, precision, progress)
    head = _head(backbone, trunk, progress)
    session = open_session(head)

    def answer(features: Any) -> Any:  # noqa: ANN401 - float32 [n,d] -> float32 [n,k]
        return session.run(None, {"features": features})[0]

    golden = Golden.of(photos(), trunk.inputs, trunk, answer)
    manifest = _manifest(backbone, name, precision, trunk)
    reopened = Trunk(trunk.path, trunk.sha256, trunk.signature, trunk.inputs, trunk.facts)
    replay(Golden.of_npz(golden.to_npz(), "golden.npz"), manifest, trunk.inputs, reopened, answer)
    return publish(models, manifest, trunk=trunk.path, head=head, golden=golden, extras={})


def _head(backbone: Backbone, trunk: Trunk, progress: Progress) -> bytes:
    """Return the bytes of head.onnx, its weights fetched first where they have a file of their own."""
    own = own_head(backbone)
    file = weights.fetch(backbone, progress)
    wish: dict[str, Any] = {"backbone": backbone.name, "weights": str(file), "trunk": str(trunk.path)}
    if own.factory:
        wish |= {"factory": own.factory, "whole": str(weights.fetch(own.backbone(backbone), progress))}
    else:
        wish |= {"kernel": own.kernel, "bias": own.bias}
    with (
        tempfile.TemporaryDirectory() as scratch,
        progress.bar(f"taking the classifier of {backbone.name} out of its weights", None),
    ):
        into, needs = Path(scratch), _KERAS if own.factory else _TENSORS
        do("head", wish, into, needs=needs, failed=f"the classifier of {backbone.name} cannot be used: ")
        return (into / "head.onnx").read_bytes()


def _manifest(backbone: Backbone, name: str, precision: Precision, trunk: Trunk) -> Manifest:
    labels = classes()
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
        data={"source": "ImageNet-1k, by the publisher of the weights", "samples": CREDIT},
        samples="zoo",
        graft=zoo.__version__,
    )
