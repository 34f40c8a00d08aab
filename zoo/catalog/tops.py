"""Networks with their tops, up to the last dense layer.

The classes of some stand on more than pooled maps: VGG's on two more dense layers, MobileNetV3's and HGNetV2's on one,
ConvNeXt's on a normalisation. So a model of their classes has a trunk of its own, made of the file with the top, or of
a preset with its classifier; it is called as the backbone is, with "_top" behind it. heads.json, of keras.applications,
is written by `python -m zoo.build.heads_table`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Final

from zoo.backbone import Backbone, FileSource, RemoteFile
from zoo.catalog import applications, hub
from zoo.catalog.preset import families

CLASSES: Final = 1000  # of ImageNet
TASK: Final = "task.json"  # what KerasHub calls a preset's classifier
# Families of presets for which KerasHub has an image classifier; and those in which that is more than one dense layer.
CLASSIFIERS: Final = frozenset(
    f"{family}Backbone"
    for family in (
        *("CSPNet", "DeiT", "DenseNet", "EfficientNet", "HGNetV2", "MiT", "MobileNet", "MobileNetV5", "ResNet"),
        *("SwinTransformer", "VGG", "ViT", "Xception"),
    )
)
_TALL: Final = ("HGNetV2Backbone", "MobileNetBackbone", "VGGBackbone")
_ABOUT: Final = "The network with its top, up to the last dense layer: what `zoo publish` puts its classes on."
_TOP: Final = "_top"  # behind the name of a network up to its last dense layer
_BUILDERS: Final = ("applications:headless:", "applications:below_top:")
_TOLD: Final[dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("heads.json").read_bytes())


def factory_of(backbone: Backbone) -> str | None:
    """Return what `keras.applications` calls a network; None where it is another library's."""
    return backbone.builder.rpartition(":")[2] if backbone.builder.startswith(_BUILDERS) else None


def name_of(plain: Backbone) -> str:
    """Return what a network up to its last dense layer is called."""
    return f"{plain.name}{_TOP}"


def file_of(factory: str) -> FileSource:
    """Return the file of a network with its top."""
    told = _TOLD[factory]
    url = str(told["url"])
    file = RemoteFile(url=url, path=url.rpartition("/")[2], md5=told["md5"], sha256=told["sha256"])
    return FileSource(files=(file,))


def may_have_task(backbone: Backbone) -> bool:
    """Say whether a preset of KerasHub may come with an image classifier."""
    return _FAMILIES.get(backbone.name.removesuffix(_TOP)) in CLASSIFIERS


def task_of(preset: Backbone) -> FileSource:
    """Return the files of a preset's classifier, which lie beside its own where it has one."""
    first = _files(preset)[0]
    folder = first.url.removesuffix(first.path)
    return FileSource(files=tuple(RemoteFile(url=f"{folder}{path}", path=path) for path in (TASK, "task.weights.h5")))


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
        about=_ABOUT,
    )


def _preset_up_to_top(plain: Backbone) -> Backbone:
    """Return a preset with its classifier; how large that is nobody says."""
    return dataclasses.replace(
        plain,
        name=name_of(plain),
        builder="hub:below_top",
        source=FileSource(files=(*_files(plain), *task_of(plain).files)),
        width=None,
        params=None,
        ships=None,
        megabytes=None,
        about=_ABOUT,
    )


def _files(preset: Backbone) -> tuple[RemoteFile, ...]:
    return preset.source.files if isinstance(preset.source, FileSource) else ()


_FAMILIES: Final = families("hub.json")
TABLE: Final = (
    *(
        _up_to_top(plain, factory, below)
        for plain in applications.TABLE
        if (factory := factory_of(plain)) and (below := _TOLD[factory]["below"])
    ),
    *(_preset_up_to_top(plain) for plain in hub.TABLE if _FAMILIES[plain.name] in _TALL),
)
