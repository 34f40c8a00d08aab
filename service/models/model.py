"""A model version opened for serving: files verified, golden samples replayed, graphs warmed up."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graft.bundle.manifest import UNKNOWN_LABEL, Manifest
from graft.bundle.open_bundle import open_bundle
from graft.bundle.replay import TOLERANCE, replay
from graft.bundle.signature import TensorSpec
from graft.errors import BadRequest, BundleBroken, BundleUnsupported, NotText
from graft.inputs.image import ImageInput
from graft.inputs.magic_bytes import sniff_format
from graft.inputs.open_input import BatchArrays, Input, SampleArray, open_input
from graft.types import Float32Array
from service.models.engine import Engine, LoadedGraphs
from service.models.input_kinds import ImageKind, InputKind, TextKind, WireSample

TASKS: Final = ("classify", "tag", "regress", "embed")
NOVELTY_OUTPUT: Final = (TensorSpec("novelty", "float32", (-1,)),)  # the third output of a model with "unknown"
OpenInput = Callable[[Mapping[str, Any], bytes | None], Input]


@dataclass(frozen=True, slots=True)
class Model:
    """One version of one model, ready to run from many threads at once."""

    name: str
    version: int
    manifest: Manifest
    inputs: Input
    input_kind: InputKind
    graphs: LoadedGraphs

    def decode_to_batch(self, sample: WireSample) -> BatchArrays:
        """Decode a sample to a batch of one.

        Raises:
            InputError: it is not what the model takes.
        """
        return self.inputs.batch([self.decode_sample(sample)])

    def decode_sample(self, sample: WireSample) -> SampleArray:
        """Decode a sample to one array: uint8 [s,s,3] of an image, int32 [t] of a text.

        An array is taken for pixels, uint8 [h,w,3] or [h,w], or for token ids, int32 [t], as the model's kind is.

        Raises:
            InputError: it is not what the model takes.
        """
        if isinstance(sample, bytes):
            return self._decode_bytes(sample)
        return self.inputs.resize_array(sample) if isinstance(self.inputs, ImageInput) else sample

    def features(self, arrays: BatchArrays) -> Float32Array:
        """Run the trunk: a batch of n -> float32 [n,d]."""
        return self.graphs.trunk(arrays)

    def scores(self, features: Float32Array) -> Float32Array:
        """Run the head: float32 [n,d] -> float32 [n,k], or [n,k+1] with the novelty in the last column.

        Raises:
            BadRequest: the model has no head.
        """
        self.require_head()
        assert self.graphs.head  # noqa: S101  # mypy cannot know
        return self.graphs.head(features)

    def require_head(self) -> None:
        """Check that the model has a head.

        Raises:
            BadRequest: it has none; the message says what to use.
        """
        if self.graphs.head is None:
            raise BadRequest(
                f"the model {self.name!r} predicts nothing: its task is 'embed'. Use /v1/models/{self.name}:embed."
            )

    def _decode_bytes(self, data: bytes) -> SampleArray:
        try:
            return self.inputs(data)
        except NotText as fault:
            if (format_ := sniff_format(data)) and not _is_utf8(data):
                raise NotText(
                    f"these {len(data):,} bytes are {format_}; the model takes a {self.input_kind.noun}, in UTF-8."
                ) from None
            raise fault


def open_model(folder: Path, name: str, version: int, engine: Engine, input_opener: OpenInput = open_input) -> Model:
    """Open a version of a model: verify every byte, load the graphs, replay the golden samples.

    `input_opener` makes its input from the manifest's spec and the bytes of tokenizer.json.

    Raises:
        BundleError: it must not be served; the message says why.
    """
    bundle = open_bundle(folder / name / str(version))
    manifest, tokenizer = bundle.manifest, bundle.layout.tokenizer
    _check_manifest(manifest, str(bundle.layout.manifest))
    inputs = input_opener(manifest.input, tokenizer.read_bytes() if tokenizer.is_file() else None)
    graphs = engine.open(bundle)
    replay(bundle.read_golden(), manifest, inputs, graphs.trunk, graphs.head)
    return Model(name, version, manifest, inputs, _create_input_kind(manifest), graphs)


def _check_manifest(manifest: Manifest, where: str) -> None:
    """Refuse a manifest that is inconsistent or not supported; errors name `where` it is."""
    if manifest.task not in TASKS or manifest.precision not in TOLERANCE:
        raise BundleUnsupported(
            f"{where} has task {manifest.task!r} and precision {manifest.precision!r}; this version of Graft serves "
            f"{', '.join(TASKS)} in {' or '.join(TOLERANCE)}. Update Graft to serve it."
        )
    outputs, labels = manifest.signature.outputs, len(manifest.labels)
    scores = outputs[1].shape[-1] if len(outputs) > 1 else 0
    novelty = manifest.head.get("novelty")
    fits = {"embed": labels == 0, "regress": labels == 1}.get(manifest.task, labels > 0)
    if not (outputs and fits and scores == labels):
        raise BundleBroken(
            f"{where} has {labels} labels, {scores} scores and the task {manifest.task!r}. Publish the model again."
        )
    if manifest.task == "tag" and not _is_threshold_list(manifest.head.get("thresholds"), labels):
        raise BundleBroken(f"{where} has no threshold for each of its {labels} tags. Publish the model again.")
    can_answer_unknown = (
        manifest.task == "classify" and UNKNOWN_LABEL not in manifest.labels and _has_threshold(novelty)
    )
    if (novelty is not None or len(outputs) > 2) and not (can_answer_unknown and outputs[2:] == NOVELTY_OUTPUT):
        raise BundleBroken(
            f"{where}: a model with novelty must be a classifier with an output 'novelty' [-1], a threshold for it and "
            f"no class named {UNKNOWN_LABEL!r}. Publish the model again."
        )


def _has_threshold(novelty: object) -> bool:
    threshold = novelty.get("threshold") if isinstance(novelty, dict) else None
    return isinstance(threshold, int | float) and not isinstance(threshold, bool) and math.isfinite(threshold)


def _is_threshold_list(value: object, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(type(one) in (int, float) for one in value)


def _create_input_kind(manifest: Manifest) -> InputKind:
    if manifest.sample_kind == "image":
        return ImageKind(manifest.signature.inputs[0].name)
    return TextKind(2 if manifest.sample_kind == "pair" else 1)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
