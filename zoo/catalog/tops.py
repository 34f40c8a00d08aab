"""Networks of keras.applications with their tops, up to the last dense layer.

Their classes stand on more than pooled maps: VGG's on two more dense layers, MobileNetV3's on one, ConvNeXt's on a
normalisation. So a model of their classes has a trunk of its own, made of the file with the top; it is called as the
backbone is, with "_top" behind it. heads.json is written by `python -m zoo.build.heads_table`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Final

from zoo.backbone import Backbone, FileSource, RemoteFile
from zoo.catalog import applications

CLASSES: Final = 1000  # of ImageNet
_BUILDERS: Final = ("applications:headless:", "applications:below_top:")
_TOLD: Final[dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("heads.json").read_bytes())


def factory_of(backbone: Backbone) -> str | None:
    """Return what `keras.applications` calls a network; None where it is another library's."""
    return backbone.builder.rpartition(":")[2] if backbone.builder.startswith(_BUILDERS) else None


def name_of(plain: Backbone) -> str:
    """Return what a network up to its last dense layer is called."""
    return f"{plain.name}_top"


def file_of(factory: str) -> FileSource:
    """Return the file of a network with its top."""
    told = _TOLD[factory]
    url = str(told["url"])
    file = RemoteFile(url=url, path=url.rpartition("/")[2], md5=told["md5"], sha256=told["sha256"])
    return FileSource(files=(file,))


def dense_megabytes(width: int) -> float:
    """Return how large a dense layer of all classes is in a file, in float32."""
    return (width + 1) * CLASSES * 4e-6


def _up_to_top(plain: Backbone, factory: str, below: dict[str, int]) -> Backbone:
    return dataclasses.replace(
        plain,
        name=name_of(plain),
        builder=f"applications:below_top:{factory}",
        source=file_of(factory),
        width=below["width"],
        params=below["params"],
        megabytes=round(below["params"] * 4e-6 + dense_megabytes(below["width"]), 1),
        about="The network with its top, up to the last dense layer: what `zoo publish` puts its classes on.",
    )


TABLE: Final = tuple(
    _up_to_top(plain, factory, below)
    for plain in applications.TABLE
    if (factory := factory_of(plain)) and (below := _TOLD[factory]["below"])
)
