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

NUM_CLASSES: Final = 1000  # of ImageNet
TASK_FILE: Final = "task.json"  # what KerasHub calls a preset's classifier
# Families of presets for which KerasHub has an image classifier; and those in which that is more than one dense layer.
CLASSIFIER_FAMILIES: Final = frozenset(
    f"{family}Backbone"
    for family in (
        *("CSPNet", "DeiT", "DenseNet", "EfficientNet", "HGNetV2", "MiT", "MobileNet", "MobileNetV5", "ResNet"),
        *("SwinTransformer", "VGG", "ViT", "Xception"),
    )
)
_MULTI_LAYER_FAMILIES: Final = ("HGNetV2Backbone", "MobileNetBackbone", "VGGBackbone")
_TRUNK_DESCRIPTION: Final = (
    "The network with its top, up to the last dense layer: what `zoo publish` puts its classes on."
)
_TOP_SUFFIX: Final = "_top"  # behind the name of a network up to its last dense layer
_APPLICATIONS_BUILDERS: Final = ("applications:headless:", "applications:below_top:")
_CLASSIFIER_FACTS: Final[dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("heads.json").read_bytes())


def applications_factory(backbone: Backbone) -> str | None:
    """Return what `keras.applications` calls a network; None where it is another library's."""
    return backbone.builder.rpartition(":")[2] if backbone.builder.startswith(_APPLICATIONS_BUILDERS) else None


def classifier_trunk_name(plain: Backbone) -> str:
    """Return what a network up to its last dense layer is called."""
    return f"{plain.name}{_TOP_SUFFIX}"


def applications_classifier_source(factory: str) -> FileSource:
    """Return the file of a network with its top."""
    facts = _CLASSIFIER_FACTS[factory]
    url = str(facts["url"])
    file = RemoteFile(url=url, path=url.rpartition("/")[2], md5=facts["md5"], sha256=facts["sha256"])
    return FileSource(files=(file,))


def can_have_preset_classifier(backbone: Backbone) -> bool:
    """Say whether a preset of KerasHub may come with an image classifier."""
    return _FAMILY_BY_PRESET.get(backbone.name.removesuffix(_TOP_SUFFIX)) in CLASSIFIER_FAMILIES


def preset_classifier_source(preset: Backbone) -> FileSource:
    """Return the files of a preset's classifier, which lie beside its own where it has one."""
    first = _preset_files(preset)[0]
    folder = first.url.removesuffix(first.path)
    return FileSource(
        files=tuple(RemoteFile(url=f"{folder}{path}", path=path) for path in (TASK_FILE, "task.weights.h5"))
    )


def dense_layer_megabytes(width: int) -> float:
    """Return how large a dense layer of all classes is in a file, in float32."""
    return (width + 1) * NUM_CLASSES * 4e-6


def _applications_classifier_trunk(plain: Backbone, factory: str, below: dict[str, int]) -> Backbone:
    return dataclasses.replace(
        plain,
        name=classifier_trunk_name(plain),
        builder=f"applications:below_top:{factory}",
        source=applications_classifier_source(factory),
        width=below["width"],
        params=below["params"],
        megabytes=round(below["params"] * 4e-6 + dense_layer_megabytes(below["width"]), 1),
        about=_TRUNK_DESCRIPTION,
    )


def _preset_classifier_trunk(plain: Backbone) -> Backbone:
    """Return a preset with its classifier; how large that is nobody says."""
    return dataclasses.replace(
        plain,
        name=classifier_trunk_name(plain),
        builder="hub:below_top",
        source=FileSource(files=(*_preset_files(plain), *preset_classifier_source(plain).files)),
        width=None,
        params=None,
        ships=None,
        megabytes=None,
        about=_TRUNK_DESCRIPTION,
    )


def _preset_files(preset: Backbone) -> tuple[RemoteFile, ...]:
    return preset.source.files if isinstance(preset.source, FileSource) else ()


_FAMILY_BY_PRESET: Final = families("hub.json")
CLASSIFIER_TRUNKS: Final = (
    *(
        _applications_classifier_trunk(plain, factory, below)
        for plain in applications.BACKBONES
        if (factory := applications_factory(plain)) and (below := _CLASSIFIER_FACTS[factory]["below"])
    ),
    *(
        _preset_classifier_trunk(plain)
        for plain in hub.BACKBONES
        if _FAMILY_BY_PRESET[plain.name] in _MULTI_LAYER_FAMILIES
    ),
)
