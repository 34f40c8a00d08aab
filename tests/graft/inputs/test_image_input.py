"""Bytes to pixels: every format that is allowed, every trap, and the same answer always."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from graft.errors import BrokenImage, BundleUnsupported, InputError, NotAnImage, TooManyPixels
from graft.inputs.image import IMAGE_FORMATS, ImageInput
from tests.support.fakes import encode

to_8 = ImageInput(8)
to_32 = ImageInput(32)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def photo(width: int = 96, height: int = 64) -> Image.Image:
    """A smooth picture whose corners all differ."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return Image.fromarray((np.stack([x, y, (x + y) / 2], -1) * 255).astype(np.uint8))


@pytest.mark.parametrize("format", IMAGE_FORMATS)
def test_every_image_format_gives_the_same_pixels(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {"quality": 95} if format == "JPEG" else {}
    pixels = to_32(saved(photo(), format, **options))
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - to_32(encode(np.asarray(photo())))).max() <= (24 if format == "GIF" else 6)


@pytest.mark.parametrize(
    ("mode", "fill", "expected"),
    [
        ("L", 77, (77, 77, 77)),
        ("LA", (0, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 255, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 40_000, (156, 156, 156)),
        ("P", 3, None),
    ],
)
def test_image_modes_become_rgb_on_white(mode: str, fill: object, expected: tuple[int, int, int] | None) -> None:
    image = Image.new(mode, (5, 5), fill)
    if mode == "P":
        image.putpalette([0, 0, 0] * 3 + [9, 8, 7])
        expected = (9, 8, 7)
    assert (to_8(saved(image, "PNG")) == np.array(expected)).all()


def test_transparent_palette_becomes_white() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([200, 0, 0])
    assert (to_8(saved(image, "PNG", transparency=0)) == 255).all()


def test_cmyk_is_converted_to_rgb() -> None:
    pixels = to_8(saved(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(pixels.astype(int) - [254, 0, 0]).max() <= 8


def test_sixteen_bit_images_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65_535, 64).astype(np.uint16)[None].repeat(4, 0)
    out = to_32(saved(Image.fromarray(ramp), "PNG"))[0, :, 0].astype(int)
    assert (np.diff(out) > 0).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, format: str) -> None:
    upright = photo(40, 40)
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"PNG": {}, "JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}[format]
    pixels = to_32(saved(stored, format, exif=exif, **options))
    assert np.abs(pixels.astype(int) - to_32(encode(np.asarray(upright)))).max() <= 4


def test_one_pixel_image_is_accepted() -> None:
    assert (to_8(encode(np.full((1, 1, 3), 7, np.uint8))) == 7).all()


def test_animated_image_uses_its_first_frame() -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    for format in ("GIF", "WEBP", "PNG"):
        data = saved(red, format, save_all=True, append_images=[blue], duration=50)
        assert np.abs(to_8(data).astype(int) - [255, 0, 0]).max() <= 12


def test_large_jpeg_is_decoded_at_reduced_size() -> None:
    large = photo(1600, 1200)
    full = np.asarray(large.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(to_32(saved(large, "JPEG", quality=95)).astype(int) - full).mean() < 2


def test_image_array_equals_its_file() -> None:
    pixels = np.asarray(photo())
    assert (to_32.resize_array(pixels) == to_32(encode(pixels))).all()
    assert (to_8.resize_array(np.full((3, 9), 50, np.uint8)) == 50).all()


@pytest.mark.parametrize(
    "odd", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(9, np.uint8)]
)
def test_invalid_image_array_is_refused(odd: np.ndarray) -> None:
    with pytest.raises(NotAnImage, match="allowed are uint8"):
        to_8.resize_array(odd)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "empty"),
        (b"hello, I am text", "text"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"%PDF-1.7", "PDF"),
        (b"8BPS\0\1", "PSD"),
        (b"<!doctype html><html>", "HTML"),
        (b"\n <svg xmlns='x'/>", "SVG"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\x80\x81\x82\xff" * 9, "not in a known image format"),
    ],
)
def test_foreign_file_format_is_named_in_the_error(data: bytes, named: str) -> None:
    with pytest.raises(NotAnImage, match=named) as refusal:
        to_8(data)
    assert "Allowed are JPEG, PNG, WebP, BMP and GIF" in str(refusal.value)


@pytest.mark.parametrize("format", IMAGE_FORMATS)
def test_truncated_image_is_refused(format: str) -> None:
    random = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(random, format)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(InputError):
            to_8(data[: int(len(data) * share)])


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + b"\0\0\0\0IDAT"
        + b"\0" * 20
    )


def webp_header(kind: bytes, body: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


BOMBS = {
    "PNG": png_header(60_000, 60_000),
    "PNG that Pillow itself would only warn of": png_header(10_000, 10_000),
    "WebP extended": webp_header(b"VP8X", bytes(4) + (16_382).to_bytes(3, "little") * 2),
    "WebP lossless": webp_header(b"VP8L", b"\x2f" + (16_382 | 16_382 << 14).to_bytes(4, "little") + bytes(9)),
    "WebP lossy": webp_header(b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + (16_382).to_bytes(2, "little") * 2 + bytes(9)),
    "GIF": b"GIF89a"
    + struct.pack("<HH", 60_000, 60_000)
    + b"\0\0\0,"
    + struct.pack("<HHHH", 0, 0, 60_000, 60_000)
    + b"\0\2\2\0;",
    "BMP": b"BM"
    + struct.pack("<IHHI", 99, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 50_000, 50_000, 1, 24, 0, 0, 0, 0, 0, 0),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_decompression_bomb_is_refused_by_its_header(bomb: str) -> None:
    with pytest.raises(TooManyPixels, match="40,000,000"):
        to_8(BOMBS[bomb])


@given(
    st.binary(max_size=400),
    st.sampled_from([encode(np.zeros((9, 9, 3), np.uint8), f) for f in IMAGE_FORMATS]),
    st.integers(0, 80),
)
@settings(max_examples=300, deadline=None)
def test_fuzzed_image_bytes_raise_only_input_errors(noise: bytes, image: bytes, at: int) -> None:
    for data in (noise, image[:at] + noise + image[at + len(noise) :]):
        try:
            assert to_8(data).shape == (8, 8, 3)
        except InputError as refusal:
            assert len(str(refusal)) < 500
        except BaseException as fault:  # named here, so that the example is shown
            raise AssertionError(f"{type(fault)}") from fault


def test_image_input_spec_round_trip_and_unknown_rules_refused() -> None:
    assert ImageInput.from_spec(to_8.spec() | {"decoder_version": "1.2"}) == to_8
    for change in (
        {"interpolation": "bicubic"},
        {"rules": 2},
        {"extra": 1},
        {"kind": "text"},
        {"geometry": "crop"},
        {"size": {}},
        {"size": 0},
    ):
        with pytest.raises(BundleUnsupported, match=next(iter(change))):
            ImageInput.from_spec(to_8.spec() | change)


def test_broken_image_differs_from_foreign_format() -> None:
    with pytest.raises(BrokenImage, match="truncated or corrupt"):
        to_8(encode(np.asarray(photo()), "JPEG")[:-200])
