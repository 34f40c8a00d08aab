"""manifest.json: the description of a bundle, with the size and SHA-256 of every other file in it.

To raise PROTOCOL, add a reader for the new number beside the old one, keep a bundle of the old protocol under
`tests/graft/bundle/protocols/` with a test that opens it, and describe the change in CHANGELOG.md. A reader refuses a
protocol above its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from graft import __version__
from graft.bundle.signature import Signature, TensorSpec
from graft.errors import BundleBroken, BundleUnsupported

if TYPE_CHECKING:  # it needs numpy, which `zoo list` leaves out
    from graft.inputs.open_input import Input

PROTOCOL: Final = 1
SampleKind = Literal["image", "text", "pair"]  # what one sample is; a pair has two texts
UNKNOWN_LABEL: Final = "unknown"  # the answer for a sample whose novelty exceeds the model's threshold


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Checksum and size of one file of a bundle."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The description of a bundle."""

    name: str
    task: str  # "classify", "tag", "regress" or "embed"
    labels: tuple[str, ...]
    backbone: dict[str, Any]  # name, weights_sha256, license, restricts
    precision: str
    depth: str
    input: dict[str, Any]  # Input.spec(), and decoder_version for information
    signature: Signature  # inputs of the trunk; outputs: features, scores, and novelty if there is one
    trunk_sha256: str
    head: dict[str, Any]  # kind, strength, temperature; novelty: kind, threshold, known, unit, auroc, held_out
    metrics: dict[str, Any]
    data: dict[str, Any]  # source, seed, split, counts
    samples: str  # origin of the golden samples: "user" or "zoo"
    graft: str  # version of Graft that published it
    training: dict[str, Any] = field(default_factory=dict)  # of a trained trunk: its settings and history
    created: str = ""  # ISO 8601, UTC; set by publish
    version: int = 0  # set by publish
    files: dict[str, FileFacts] = field(default_factory=dict)  # set by publish
    protocol: int = PROTOCOL

    @classmethod
    def for_trunk(
        cls,
        inputs: Input,
        trunk: Signature,
        trunk_sha256: str,
        head_outputs: Sequence[TensorSpec],
        *,
        name: str,
        task: str,
        labels: tuple[str, ...],
        backbone: dict[str, Any],
        precision: str,
        depth: str,
        head: dict[str, Any],
        metrics: dict[str, Any],
        data: dict[str, Any],
        samples: str,
        training: dict[str, Any] | None = None,
    ) -> Manifest:
        """Return the manifest of a new bundle, with what follows from its inputs and its trunk filled in.

        `inputs` decodes samples; its spec and the version of its decoder are recorded. `trunk` is the signature of the
        trunk: the bundle has its inputs, and its output followed by `head_outputs`, the outputs of head.onnx (none for
        the task "embed"). All keyword arguments are fields of the manifest.
        """
        return cls(
            name=name,
            task=task,
            labels=labels,
            backbone=backbone,
            precision=precision,
            depth=depth,
            input=inputs.spec() | {"decoder_version": inputs.decoder_version()},
            signature=Signature(trunk.inputs, (*trunk.outputs, *head_outputs)),
            trunk_sha256=trunk_sha256,
            head=head,
            metrics=metrics,
            data=data,
            samples=samples,
            graft=__version__,
            training=training or {},
        )

    @property
    def sample_kind(self) -> SampleKind:
        """What the model takes: an image, a text or a pair of texts."""
        return sample_kind_of(self.input)

    def to_json(self) -> bytes:
        """Return the bytes of manifest.json."""
        return (json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, source: str) -> Manifest:
        """Read the bytes of manifest.json; errors name `source`.

        Raises:
            BundleBroken: the file is not a manifest, or lacks a field.
            BundleUnsupported: its protocol is newer than PROTOCOL.
        """
        try:
            facts = json.loads(data, object_pairs_hook=reject_duplicate_keys)
            protocol = int(facts["protocol"])
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            raise BundleBroken(f"{source} is not a manifest ({fault!r}). Publish the model again.") from None
        if protocol > PROTOCOL:
            raise BundleUnsupported(
                f"{source} has protocol {protocol}; this Graft reads up to {PROTOCOL}. Update Graft to serve it."
            )
        try:
            facts["labels"] = tuple(str(label) for label in facts["labels"])
            facts["signature"] = Signature.from_dict(facts["signature"])
            facts["files"] = {name: FileFacts(str(f["sha256"]), int(f["bytes"])) for name, f in facts["files"].items()}
            return cls(**facts)
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise BundleBroken(f"{source} has a missing or invalid field ({fault}). Publish the model again.") from None


def sample_kind_of(spec: Mapping[str, Any]) -> SampleKind:
    """Return the kind of sample that an input spec describes.

    >>> sample_kind_of({"kind": "text", "texts": 2})
    'pair'
    """
    if spec.get("kind") != "text":
        return "image"
    return "pair" if spec.get("texts") == 2 else "text"


def reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of a JSON object as a dict; the `object_pairs_hook` of `json.loads`.

    >>> json.loads('{"a": 1, "a": 2}', object_pairs_hook=reject_duplicate_keys)
    Traceback (most recent call last):
    ValueError: duplicate key 'a'

    Raises:
        ValueError: a key occurs twice.
    """
    facts: dict[str, Any] = {}
    for key, value in pairs:
        if key in facts:
            raise ValueError(f"duplicate key {key!r}")
        facts[key] = value
    return facts
