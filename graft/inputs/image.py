"""Raw bytes to arrays: THE decode and resize, for training and for serving alike.

One decoder, Pillow, for every format. JPEGs are decoded at a reduced scale (1/2, 1/4 or 1/8, never
below the target size), then resized with an antialiased bilinear filter in fixed-point arithmetic:
the same bytes give the same pixels on every machine. `benchmarks/decoders.py` has the measurements
behind the choice.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps

from graft.errors import BrokenImage, BundleUnsupported, NotAnImage, TooManyPixels
from graft.inputs.magic_bytes import describe_bytes, read_webp_size, sniff_format

IMAGE_FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
MAX_PIXELS: Final = 40_000_000  # of an image that is decoded
MAX_IMAGE_SIZE: Final = 4096  # of a side that a trunk takes

# Pillow's decoders fail in many ways on hostile bytes; to the user each means the same.
_DECODE_ERRORS: Final = (
    *(OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, MemoryError),
    struct.error,
)


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An image file's bytes -> uint8 [size,size,3], RGB. The spec of it travels in every bundle."""

    size: int
    geometry: Literal["squash"] = "squash"  # both sides are scaled to `size`, nothing is cut off
    interpolation: Literal["bilinear"] = "bilinear"  # antialiased
    reduced_scale: Literal["jpeg-draft"] = "jpeg-draft"
    decoder: Literal["pillow"] = "pillow"
    rules: Literal[1] = 1  # raised whenever the same bytes would give other pixels

    def spec(self) -> dict[str, Any]:
        """Return what a server must be able to do exactly: goes into manifests and cache keys."""
        return {"kind": "image", **asdict(self)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> ImageInput:
        """Return the input that `spec` describes.

        Raises:
            BundleUnsupported: this Graft cannot do exactly that.
        """
        size = spec.get("size")
        own_spec = cls(size if isinstance(size, int) and 0 < size <= MAX_IMAGE_SIZE else 224).spec()
        bundle_spec = {key: value for key, value in spec.items() if key != "decoder_version"}
        if own_spec != bundle_spec:
            differing_keys = sorted(
                key for key in {*own_spec, *bundle_spec} if own_spec.get(key) != bundle_spec.get(key)
            )
            differences = ", ".join(
                f"{key}={bundle_spec.get(key)!r} (here {own_spec.get(key)!r})" for key in differing_keys
            )
            raise BundleUnsupported(
                f"the input spec asks for {differences}, which this Graft cannot do exactly. "
                "Serve the bundle with the Graft that made it, or fine-tune again."
            )
        return cls(own_spec["size"])

    def __call__(self, data: bytes) -> NDArray[np.uint8]:
        """Decode an image file, whatever its name says.

        Returns: uint8 [size,size,3], RGB.

        Raises:
            NotAnImage: not one of JPEG, PNG, WebP, BMP, GIF; the message names what it seems to be.
            BrokenImage: one of those, but truncated or corrupt.
            TooManyPixels: the header promises more than MAX_PIXELS; nothing was decoded.
        """
        format_ = sniff_format(data)
        if format_ not in IMAGE_FORMATS:
            raise NotAnImage(
                f"these {len(data):,} bytes are {describe_bytes(data)}. "
                "Allowed are JPEG, PNG, WebP, BMP and GIF; convert the file to one of them."
            )
        if format_ == "WEBP":  # opening one allocates its whole canvas, so Pillow must not see it first
            reject_too_many_pixels(*read_webp_size(data))
        try:
            with Image.open(io.BytesIO(data), formats=[format_]) as image:
                reject_too_many_pixels(image.width, image.height)
                image.draft("RGB", (self.size, self.size))
                return self._resize(ImageOps.exif_transpose(image))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
            raise TooManyPixels(f"{bomb} Allowed are {MAX_PIXELS:,} pixels in all; make the image smaller.") from None
        except TooManyPixels:
            raise
        except _DECODE_ERRORS as fault:
            raise BrokenImage(
                f"a {format_} of {len(data):,} bytes that does not decode ({fault}). "
                "It is truncated or corrupt; save it again from the original."
            ) from None

    def decoder_version(self) -> str:
        """Return the version of Pillow, for the record in a manifest."""
        return PIL.__version__

    def batch(self, samples: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
        """Put n decoded images together: `image`, uint8 [n,size,size,3]."""
        return {"image": np.stack(samples)}

    def resize_array(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fit an array, uint8 [h,w,3] or [h,w], to uint8 [size,size,3].

        Raises:
            NotAnImage: another shape or dtype.
            TooManyPixels: more than MAX_PIXELS.
        """
        if (
            pixels.dtype != np.uint8
            or pixels.ndim not in (2, 3)
            or pixels.shape[2:] not in ((), (3,))
            or not pixels.size
        ):
            raise NotAnImage(
                f"an array of {pixels.dtype} {list(pixels.shape)} is no image; "
                "allowed are uint8 [h,w,3] (RGB) and [h,w] (grey)."
            )
        reject_too_many_pixels(pixels.shape[1], pixels.shape[0])
        return self._resize(Image.fromarray(pixels))

    def _resize(self, image: Image.Image) -> NDArray[np.uint8]:
        square = (self.size, self.size)
        rgb = to_rgb(image)
        if rgb.size != square:
            rgb = rgb.resize(square, Image.Resampling.BILINEAR, reducing_gap=2.0)
        return np.array(rgb, dtype=np.uint8)


def read_image_size(data: bytes) -> tuple[int, int]:
    """Return width and height of an image file, in pixels, as its header has them; nothing is decoded.

    Raises:
        NotAnImage: not one of FORMATS.
        BrokenImage: the header is corrupt.
    """
    format_ = sniff_format(data)
    if format_ not in IMAGE_FORMATS:
        raise NotAnImage(
            f"these {len(data):,} bytes are {describe_bytes(data)}. Allowed are {', '.join(IMAGE_FORMATS)}."
        )
    if format_ == "WEBP":
        return read_webp_size(data)
    try:
        with Image.open(io.BytesIO(data), formats=[format_]) as image:
            return image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, *_DECODE_ERRORS) as fault:
        raise BrokenImage(f"a {format_} of {len(data):,} bytes whose header cannot be read ({fault}).") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the first frame as RGB: 16 bits scaled to 8, transparency laid on white."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        # Pillow's own conversion clips at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def reject_too_many_pixels(width: int, height: int) -> None:
    """Refuse a size above MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise TooManyPixels(
            f"the image is {width:,} x {height:,} pixels; allowed are {MAX_PIXELS:,} in all. Make it smaller first."
        )
