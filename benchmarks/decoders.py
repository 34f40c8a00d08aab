"""Why Pillow with a reduced-scale decode is the one decoder: a 640x480 JPEG to uint8 [224,224,3].

    python -m benchmarks.decoders

simplejpeg and OpenCV are compared where they are installed (pip install simplejpeg opencv-python-headless).
The second table adds one run of the default trunk: what the choice costs where it is used.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.timing import alternated, in_threads
from graft.inputs.image import ImageInput
from zoo import Precision, get_backbone
from zoo.trunks.trunk import Trunk

SIZE = 224
Decode = Callable[[bytes], NDArray[np.uint8]]


def jpeg() -> bytes:
    """scikit-learn's china.jpg at 640x480, quality 90."""
    photo = Image.open(io.BytesIO(files("sklearn.datasets.images").joinpath("china.jpg").read_bytes()))
    file = io.BytesIO()
    photo.resize((640, 480)).save(file, "JPEG", quality=90)
    return file.getvalue()


def pillow_full(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def contenders() -> dict[str, Decode]:
    decoders_by_name: dict[str, Decode] = {"Pillow, full scale": pillow_full, "Graft (Pillow, draft)": ImageInput(SIZE)}
    if importlib.util.find_spec("simplejpeg"):
        import simplejpeg

        def scaled(data: bytes) -> NDArray[np.uint8]:
            return simplejpeg.decode_jpeg(data, "RGB", min_height=SIZE, min_width=SIZE, min_factor=1)

        decoders_by_name["simplejpeg scaled + Pillow"] = lambda data: np.asarray(
            Image.fromarray(scaled(data)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        )
        if importlib.util.find_spec("cv2"):
            import cv2

            cv2.setNumThreads(1)
            decoders_by_name["simplejpeg scaled + OpenCV"] = lambda data: cv2.resize(scaled(data), (SIZE, SIZE))
    return decoders_by_name


def main() -> None:
    data, decoders = jpeg(), contenders()
    reference = pillow_full(data).astype(int)
    times = 200
    alone = alternated({name: in_threads(lambda f=f: f(data), times, 1) for name, f in decoders.items()})
    pair = alternated({name: in_threads(lambda f=f: f(data), times, 2) for name, f in decoders.items()})
    print(f"{'decoder':30} {'1 thread':>9} {'2 threads':>9}  mean difference to full scale")
    for name, decode in decoders.items():
        off = np.abs(decode(data) - reference).mean()
        print(f"{name:30} {alone[name] / times * 1e3:6.2f} ms {pair[name] / times * 1e3:6.2f} ms  {off:.2f} / 255")
    for precision in (Precision.FP32, Precision.INT8):
        trunk = Trunk.from_backbone(get_backbone("efficientnet_lite0"), precision)
        seconds = alternated(
            {
                name: in_threads(lambda f=f, trunk=trunk: trunk({"image": f(data)[None]}), times, 2)
                for name, f in decoders.items()
            }
        )
        print(f"\ndecode and efficientnet_lite0 {precision}, 2 threads")
        slowest = seconds["Pillow, full scale"]
        for name, duration in seconds.items():
            print(f"{name:30} {times / duration:6.0f} images/s, {slowest / duration:.2f} x full scale")


if __name__ == "__main__":
    main()
