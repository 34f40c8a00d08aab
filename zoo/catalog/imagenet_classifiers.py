"""Which backbones have a classifier of their own, ImageNet's 1,000 classes, and where its weights are. Light.

Networks with their tops, up to the last dense layer.

The classes of some stand on more than pooled maps: VGG's on two more dense layers, MobileNetV3's and HGNetV2's on one,
ConvNeXt's on a normalisation. So a model of their classes has a trunk of its own, made of the file with the top, or of
a preset with its classifier; it is called as the backbone is, with "_top" behind it. heads.json, of keras.applications,
is written by `python -m tools.catalog.heads_table`.
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

_EFFICIENTNET_LITE_BUILDER: Final = "efficientnet_lite:"  # builders whose state dicts hold the classifier besides


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


_FAMILY_BY_PRESET: Final = families("hub.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedClassifier:
    """The classifier of a backbone: one dense layer on the features of `trunk`.

    That is the backbone itself, or its network up to that layer. The layer is the last of what `keras.applications`
    calls `factory`, in the trunk's own file or in one of its own, `source`; or it is the tensors `kernel` [k,d] and
    `bias` [k] in the trunk's own file; or, by none of these names, that of a preset, whose two files are `source`.
    """

    trunk: Backbone
    source: FileSource | None = None
    factory: str | None = None
    kernel: str | None = None
    bias: str | None = None

    @property
    def is_from_preset(self) -> bool:
        """Say whether it is a preset's: only its address tells whether it is there, and of which form it is."""
        return self.factory is None and self.kernel is None

    def backbone_to_fetch(self) -> Backbone:
        """Return the backbone as it is fetched for the classifier: from files beside its own, where it has such."""
        trunk = self.trunk
        if self.source is None:
            return trunk
        if self.is_from_preset or trunk.megabytes is None or trunk.width is None:
            return dataclasses.replace(trunk, source=self.source)
        return dataclasses.replace(
            trunk, source=self.source, megabytes=trunk.megabytes + dense_layer_megabytes(trunk.width)
        )


def find_pretrained_classifier(backbone: Backbone) -> PretrainedClassifier:
    """Return where the classifier of `backbone` is.

    Raises:
        RecipeError: none is known; the message says what to do.
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
        "`finetune` trains one on your own samples; `zoo publish --help` tells of the others."
    )


def can_publish(backbone: Backbone) -> bool | None:
    """Say whether `zoo publish` takes a backbone; None where its address has to be asked for a classifier."""
    try:
        classifier = find_pretrained_classifier(backbone)
    except RecipeError:
        return False
    return None if classifier.is_from_preset else True


def imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's 1,000 classes in the order of the scores.

    Of two classes of one name each has WordNet's number behind it: there are two cranes, a bird and a machine.
    """
    file = Path(__file__).with_name("imagenet.json")
    pairs: list[tuple[str, str]] = json.loads(file.read_bytes())
    duplicates = {name for name, count in Counter(name for _, name in pairs).items() if count > 1}
    return tuple(f"{name} ({number})" if name in duplicates else name for number, name in pairs)


def count_preset_classes(task_file: Path) -> int:
    """Return how many classes the classifier of a preset has by its task.json.

    Raises:
        RecipeError: the preset is for another task.
    """
    try:
        config = json.loads(task_file.read_bytes())
        kind, count = str(config["class_name"]), config["config"].get("num_classes")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise RecipeError(f"{task_file} describes no task of KerasHub's. Delete it and run again.") from None
    if not kind.endswith("ImageClassifier") or not isinstance(count, int) or count < 2:
        raise RecipeError(
            f"{task_file} describes no image classifier but a {kind}; `finetune` trains one on your samples."
        )
    return count


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
