"""Which backbones have a classifier of their own, ImageNet's 1,000 classes, and where its weights are. Light."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zoo.backbone import Backbone, FileSource, ImageSpec
from zoo.catalog import tops
from zoo.errors import RecipeError

_EFFICIENTNET_LITE_BUILDER: Final = "efficientnet_lite:"  # builders whose state dicts hold the classifier besides


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
            trunk, source=self.source, megabytes=trunk.megabytes + tops.dense_layer_megabytes(trunk.width)
        )


def find_pretrained_classifier(backbone: Backbone) -> PretrainedClassifier:
    """Return where the classifier of `backbone` is.

    Raises:
        RecipeError: none is known; the message says what to do.
    """
    if backbone.builder.startswith(_EFFICIENTNET_LITE_BUILDER):
        return PretrainedClassifier(trunk=backbone, kernel="_fc.weight", bias="_fc.bias")
    names = (backbone.name, tops.classifier_trunk_name(backbone))
    trunk = next((trunk for trunk in tops.CLASSIFIER_TRUNKS if trunk.name in names), backbone)
    if factory := tops.applications_factory(backbone):
        return PretrainedClassifier(
            trunk=trunk,
            source=None if trunk in tops.CLASSIFIER_TRUNKS else tops.applications_classifier_source(factory),
            factory=factory,
        )
    if tops.can_have_preset_classifier(backbone):
        return PretrainedClassifier(trunk=trunk, source=tops.preset_classifier_source(backbone))
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
    file = Path(__file__).parent / "catalog" / "imagenet.json"
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
