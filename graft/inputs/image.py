"""Decode and resize images: raw bytes to uint8 arrays, the same code in training and in serving.

Pillow decodes every format. JPEGs are decoded at a reduced scale (1/2, 1/4 or 1/8, never below the target size), then
resized with an antialiased bilinear filter in fixed-point arithmetic: the same bytes give the same pixels on every
machine. `benchmarks/decoders.py` has the measurements behind the choice.
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
MAX_PIXELS: Final = 40_000_000  # of an image to decode
MAX_IMAGE_SIZE: Final = 4096  # pixels of a side of a trunk's input

# Pillow raises many exceptions on hostile bytes; all of them mean that the image is broken.
_DECODE_ERRORS: Final = (
    *(OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, MemoryError),
    struct.error,
)


@dataclass(frozen=True, slots=True)
class ImageInput:
    """Decodes an image file to uint8 [size,size,3], RGB. Every bundle has its spec."""

    size: int
    geometry: Literal["squash"] = "squash"  # both sides are scaled to `size`, nothing is cropped
    interpolation: Literal["bilinear"] = "bilinear"  # antialiased
    reduced_scale: Literal["jpeg-draft"] = "jpeg-draft"
    decoder: Literal["pillow"] = "pillow"
    rules: Literal[1] = 1  # raised whenever the same bytes give other pixels

    def spec(self) -> dict[str, Any]:
        """Return what a server must reproduce exactly, for manifests and cache keys."""
        return {"kind": "image", **asdict(self)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> ImageInput:
        """Return the input that `spec` describes.

        Raises:
            BundleUnsupported: this Graft cannot reproduce it exactly.
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
                f"the input spec needs {differences}, which this Graft cannot reproduce exactly. "
                "Serve the bundle with the version of Graft that published it, or fine-tune again."
            )
        return cls(own_spec["size"])

    def __call__(self, data: bytes) -> NDArray[np.uint8]:
        """Decode the bytes of an image file; the format is detected by its first bytes.

        Returns: uint8 [size,size,3], RGB.

        Raises:
            NotAnImage: not JPEG, PNG, WebP, BMP or GIF; the message names the format that it seems to be.
            BrokenImage: one of those, but truncated or corrupt.
            TooManyPixels: the header declares more than MAX_PIXELS; nothing was decoded.
        """
        format_ = sniff_format(data)
        if format_ not in IMAGE_FORMATS:
            raise NotAnImage(
                f"these {len(data):,} bytes are {describe_bytes(data)}. "
                "Allowed are JPEG, PNG, WebP, BMP and GIF; convert the file to one of them."
            )
        if format_ == "WEBP":  # Pillow allocates the whole canvas when it opens one
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
                f"a {format_} of {len(data):,} bytes that cannot be decoded ({fault}). "
                "It is truncated or corrupt; save it again from the original."
            ) from None

    def decoder_version(self) -> str:
        """Return the version of Pillow, for information in manifests."""
        return PIL.__version__

    def batch(self, samples: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
        """Stack n decoded images, uint8 [size,size,3] each: {"image": uint8 [n,size,size,3]}."""
        return {"image": np.stack(samples)}

    def resize_array(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize an array, uint8 [h,w,3] (RGB) or [h,w] (grey), to uint8 [size,size,3].

        >>> ImageInput(4).resize_array(np.zeros((8, 6), np.uint8)).shape
        (4, 4, 3)

        Raises:
            NotAnImage: the array has another shape or dtype.
            TooManyPixels: it has more than MAX_PIXELS.
        """
        if (
            pixels.dtype != np.uint8
            or pixels.ndim not in (2, 3)
            or pixels.shape[2:] not in ((), (3,))
            or not pixels.size
        ):
            raise NotAnImage(
                f"an array of {pixels.dtype} {list(pixels.shape)} is not an image; "
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
    """Return the width and height of an image file in pixels from its header, without decoding it.

    Raises:
        NotAnImage: not one of IMAGE_FORMATS.
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
    """Return the first frame as RGB: 16 bits scaled to 8, transparency blended with white."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        # Pillow's conversion clips at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def reject_too_many_pixels(width: int, height: int) -> None:
    """Reject an image of more than MAX_PIXELS.

    Raises:
        TooManyPixels: it has more.
    """
    if width * height > MAX_PIXELS:
        raise TooManyPixels(
            f"the image is {width:,} x {height:,} pixels; allowed are {MAX_PIXELS:,} in all. Make it smaller first."
        )
