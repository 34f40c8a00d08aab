"""Raw bytes to arrays: THE decode and resize, for training and for serving alike.

One decoder, Pillow, for every format. JPEGs are decoded at a reduced scale (1/2, 1/4 or 1/8, never
below the target size), then resized with an antialiased bilinear filter in fixed-point arithmetic:
the same bytes give the same pixels on every machine. `benchmarks/decoders.py` has the measurements
behind the choice.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps

from zoo.errors import BrokenImage, BundleUnsupported, NotAnImage, TooManyPixels

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
MAX_PIXELS: Final = 40_000_000

# How the beginning of a file names its format: (offset, bytes, name).
_MAGIC: Final = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"GIF8", "GIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyp", "MP4 or another video"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"8BPS", "PSD"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\3\4", "ZIP"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML or SVG"),
    (0, b"<!DOCTYPE", "HTML"),
    (0, b"<html", "HTML"),
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
    def of(cls, spec: Mapping[str, Any]) -> ImageInput:
        """Return the input that `spec` describes.

        Raises:
            BundleUnsupported: this Graft cannot do exactly that.
        """
        ours = cls(int(spec.get("size", 0))).spec()
        asked = {key: value for key, value in spec.items() if key != "decoder_version"}
        if ours != asked:
            odd = sorted(key for key in {*ours, *asked} if ours.get(key) != asked.get(key))
            wants = ", ".join(f"{key}={asked.get(key)!r} (here {ours.get(key)!r})" for key in odd)
            raise BundleUnsupported(
                f"the input spec asks for {wants}, which this Graft cannot do exactly. "
                "Serve the bundle with the Graft that made it, or fine-tune again."
            )
        return cls(int(spec["size"]))

    def __call__(self, data: bytes) -> NDArray[np.uint8]:
        """Decode an image file, whatever its name says.

        Returns: uint8 [size,size,3], RGB.

        Raises:
            NotAnImage: not one of JPEG, PNG, WebP, BMP, GIF; the message names what it seems to be.
            BrokenImage: one of those, but truncated or corrupt.
            TooManyPixels: the header promises more than MAX_PIXELS; nothing was decoded.
        """
        format_ = sniff(data)
        if format_ not in FORMATS:
            raise NotAnImage(
                f"these {len(data):,} bytes are {_described(data, format_)}. "
                "Allowed are JPEG, PNG, WebP, BMP and GIF; convert the file to one of them."
            )
        check_webp_header(data, format_)
        try:
            with Image.open(io.BytesIO(data), formats=[format_]) as image:
                check_pixels(image.width, image.height)
                image.draft("RGB", (self.size, self.size))
                return self._fit(ImageOps.exif_transpose(image))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
            raise TooManyPixels(str(bomb)) from None
        except (NotAnImage, TooManyPixels):
            raise
        # Pillow's decoders fail in many ways on hostile bytes; each means the same to the user.
        except (
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            struct.error,
            IndexError,
            KeyError,
            TypeError,
            ZeroDivisionError,
            OverflowError,
            MemoryError,
        ) as fault:
            raise BrokenImage(
                f"a {format_} of {len(data):,} bytes that does not decode ({fault}). "
                "It is truncated or corrupt; save it again from the original."
            ) from None

    def array(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
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
                f"an array of {pixels.dtype} {list(pixels.shape)} is no image; allowed are uint8 [h,w,3] (RGB) and [h,w] (grey)."
            )
        check_pixels(pixels.shape[1], pixels.shape[0])
        return self._fit(Image.fromarray(pixels))

    def _fit(self, image: Image.Image) -> NDArray[np.uint8]:
        square = (self.size, self.size)
        rgb = to_rgb(image)
        if rgb.size != square:
            rgb = rgb.resize(square, Image.Resampling.BILINEAR, reducing_gap=2.0)
        return np.array(rgb, dtype=np.uint8)


def decoder_version() -> str:
    """Return the version of the decoder, for the record in a manifest."""
    return PIL.__version__


def sniff(data: bytes) -> str | None:
    """Return the format that the first bytes name ("JPEG", "HEIC", …), or None."""
    head = data[:64].lstrip() if data[:64].lstrip()[:1] == b"<" else data[:64]
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)].lower() == magic.lower():
            return name
    return None


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


def check_pixels(width: int, height: int) -> None:
    """Refuse a size above MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise TooManyPixels(
            f"the image is {width:,} x {height:,} pixels; allowed are {MAX_PIXELS:,} in all. Make it smaller first."
        )


def check_webp_header(data: bytes, format_: str) -> None:
    """Check a WebP's size before Pillow sees it: opening one allocates its whole canvas."""
    if format_ != "WEBP":
        return
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return
    if kind == b"VP8X":
        width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    check_pixels(width, height)


def _described(data: bytes, format_: str | None) -> str:
    if not data:
        return "an empty file"
    if format_:
        return f"{format_}, which is refused"
    return "text" if data[:256].isascii() and b"\0" not in data[:256] else "of no known image format"
