"""Pretrained classifiers: which backbones come with one, such as ImageNet's 1,000 classes, and where its weights are.

Some classifiers need more than the pooled features: VGG has two more dense layers, MobileNetV3 and HGNetV2 one,
ConvNeXt a normalisation. Their models get a trunk of their own, the network up to the last dense layer, built of the
file with the top or of a preset with its classifier; its name is that of the backbone with "_top" appended. heads.json,
on keras.applications, is written by `python -m tools.catalog.heads_table`.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graft.errors import RecipeError
from zoo.catalog import keras_applications_backbones, keras_hub_backbones
from zoo.catalog.backbone import Backbone, FileSource, ImageSpec, RemoteFile
from zoo.catalog.presets import families

_EFFICIENTNET_LITE_BUILDER: Final = "efficientnet_lite:"  # builders whose state dict has the classifier, too
NUM_CLASSES: Final = 1000  # of ImageNet
TASK_FILE: Final = "task.json"  # KerasHub's name of the file that describes a preset's classifier

# Preset families for which KerasHub has an image classifier; in the multi-layer ones it is more than one dense layer.
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
_TOP_SUFFIX: Final = "_top"  # appended to the name of a network up to its last dense layer
_APPLICATIONS_BUILDERS: Final = ("applications:headless:", "applications:below_top:")
_CLASSIFIER_FACTS: Final[dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("heads.json").read_bytes())
_FAMILY_BY_PRESET: Final = families("hub.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedClassifier:
    """The classifier of a backbone: one dense layer on the features of `trunk`.

    `trunk` is the backbone itself, or its network up to that layer. The layer is the last one of the function `factory`
    of `keras.applications`, in the trunk's file or in the separate file `source`; or it is the tensors `kernel` [k,d]
    and `bias` [k] in the trunk's file; or, if all of these are None, that of a preset, with its two files `source`.
    """

    trunk: Backbone
    source: FileSource | None = None
    factory: str | None = None
    kernel: str | None = None
    bias: str | None = None

    @property
    def is_from_preset(self) -> bool:
        """Whether it is that of a preset: only its URL tells whether it exists, and with which layers."""
        return self.factory is None and self.kernel is None

    def backbone_to_fetch(self) -> Backbone:
        """Return the trunk with the classifier's files as its source, if they are separate."""
        trunk = self.trunk
        if self.source is None:
            return trunk
        if self.is_from_preset or trunk.megabytes is None or trunk.width is None:
            return dataclasses.replace(trunk, source=self.source)
        return dataclasses.replace(
            trunk, source=self.source, megabytes=trunk.megabytes + dense_layer_megabytes(trunk.width)
        )


def find_pretrained_classifier(backbone: Backbone) -> PretrainedClassifier:
    """Return the pretrained classifier of `backbone`.

    Raises:
        RecipeError: the backbone has none that is known; the message says what to do.
    """
    if backbone.builder.startswith(_EFFICIENTNET_LITE_BUILDER):
        return PretrainedClassifier(trunk=backbone, kernel="_fc.weight", bias="_fc.bias")
    names = (backbone.name, classifier_trunk_name(backbone))
    trunk = next((trunk for trunk in CLASSIFIER_TRUNKS if trunk.name in names), backbone)
    if factory := applications_factory(backbone):
        return PretrainedClassifier(
            trunk=trunk,
            source=None if trunk in CLASSIFIER_TRUNKS else applications_classifier_source(factory),
            factory=factory,
        )
    if can_have_preset_classifier(backbone):
        return PretrainedClassifier(trunk=trunk, source=preset_classifier_source(backbone))
    reason = "" if isinstance(backbone.takes, ImageSpec) else ": it takes texts"
    raise RecipeError(
        f"{backbone.name} has no classifier of its own that is known here{reason}. "
        "`finetune` trains one on your own samples; `zoo publish --help` lists the backbones that have one."
    )


def can_publish(backbone: Backbone) -> bool | None:
    """Say whether `zoo publish` can publish a backbone; None if only a request to its URL tells."""
    try:
        classifier = find_pretrained_classifier(backbone)
    except RecipeError:
        return False
    return None if classifier.is_from_preset else True


def imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's 1,000 classes in the order of the scores.

    Classes of the same name have their WordNet number appended: there are two cranes, a bird and a machine.

    >>> imagenet_classes()[985]
    'daisy'
    """
    file = Path(__file__).with_name("imagenet.json")
    pairs: list[tuple[str, str]] = json.loads(file.read_bytes())
    duplicates = {name for name, count in Counter(name for _, name in pairs).items() if count > 1}
    return tuple(f"{name} ({number})" if name in duplicates else name for number, name in pairs)


def count_preset_classes(task_file: Path) -> int:
    """Return the number of classes of a preset's classifier, from its task.json.

    Raises:
        RecipeError: the preset is for another task, or its file is damaged.
    """
    try:
        config = json.loads(task_file.read_bytes())
        kind, count = str(config["class_name"]), config["config"].get("num_classes")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise RecipeError(f"{task_file} does not describe a task of KerasHub. Delete it and run again.") from None
    if not kind.endswith("ImageClassifier") or not isinstance(count, int) or count < 2:
        raise RecipeError(
            f"{task_file} describes a {kind} of {count} classes, not an image classifier of at least 2. "
            "`finetune` trains one on your samples."
        )
    return count


def applications_factory(backbone: Backbone) -> str | None:
    """Return the function of `keras.applications` that makes a network; None for other libraries."""
    return backbone.builder.rpartition(":")[2] if backbone.builder.startswith(_APPLICATIONS_BUILDERS) else None


def classifier_trunk_name(plain: Backbone) -> str:
    """Return the name of a backbone's network up to its last dense layer."""
    return f"{plain.name}{_TOP_SUFFIX}"


def applications_classifier_source(factory: str) -> FileSource:
    """Return the file of a keras.applications network with its top."""
    facts = _CLASSIFIER_FACTS[factory]
    url = str(facts["url"])
    file = RemoteFile(url=url, path=url.rpartition("/")[2], md5=facts["md5"], sha256=facts["sha256"])
    return FileSource(files=(file,))


def can_have_preset_classifier(backbone: Backbone) -> bool:
    """Say whether a preset may come with an image classifier, by its family."""
    return _FAMILY_BY_PRESET.get(backbone.name.removesuffix(_TOP_SUFFIX)) in CLASSIFIER_FAMILIES


def preset_classifier_source(preset: Backbone) -> FileSource:
    """Return the files of a preset's classifier: if it has one, they are at the URL of its weights."""
    first = _preset_files(preset)[0]
    folder = first.url.removesuffix(first.path)
    return FileSource(
        files=tuple(RemoteFile(url=f"{folder}{path}", path=path) for path in (TASK_FILE, "task.weights.h5"))
    )


def dense_layer_megabytes(width: int) -> float:
    """Return the size of a dense layer of ImageNet's classes on `width` features, in float32."""
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
    """Return the trunk of a preset with its classifier, whose size nobody publishes."""
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


CLASSIFIER_TRUNKS: Final = (
    *(
        _applications_classifier_trunk(plain, factory, below)
        for plain in keras_applications_backbones.BACKBONES
        if (factory := applications_factory(plain)) and (below := _CLASSIFIER_FACTS[factory]["below"])
    ),
    *(
        _preset_classifier_trunk(plain)
        for plain in keras_hub_backbones.BACKBONES
        if _FAMILY_BY_PRESET[plain.name] in _MULTI_LAYER_FAMILIES
    ),
)
