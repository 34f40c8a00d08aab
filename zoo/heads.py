"""Which backbones have a classifier of their own, ImageNet's 1,000 classes, and where its weights are. Light."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zoo.backbone import Backbone, FileSource, Pixels
from zoo.catalog import tops
from zoo.errors import RecipeError

_LITE: Final = "efficientnet_lite:"  # builders whose state dicts hold the classifier besides


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHead:
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
    def of_preset(self) -> bool:
        """Say whether it is a preset's: only its address tells whether it is there, and of which form it is."""
        return self.factory is None and self.kernel is None

    def fetched(self) -> Backbone:
        """Return the backbone as it is fetched for the classifier: from files beside its own, where it has such."""
        of = self.trunk
        if self.source is None:
            return of
        if self.of_preset or of.megabytes is None or of.width is None:
            return dataclasses.replace(of, source=self.source)
        return dataclasses.replace(of, source=self.source, megabytes=of.megabytes + tops.dense_megabytes(of.width))


def own_head(backbone: Backbone) -> OwnHead:
    """Return where the classifier of `backbone` is.

    Raises:
        RecipeError: none is known; the message says what to do.
    """
    if backbone.builder.startswith(_LITE):
        return OwnHead(trunk=backbone, kernel="_fc.weight", bias="_fc.bias")
    names = (backbone.name, tops.name_of(backbone))
    trunk = next((trunk for trunk in tops.TABLE if trunk.name in names), backbone)
    if factory := tops.factory_of(backbone):
        return OwnHead(trunk=trunk, source=None if trunk in tops.TABLE else tops.file_of(factory), factory=factory)
    if tops.may_have_task(backbone):
        return OwnHead(trunk=trunk, source=tops.task_of(backbone))
    why = "" if isinstance(backbone.takes, Pixels) else ": it takes texts"
    raise RecipeError(
        f"{backbone.name} has no classifier of its own that is known here{why}. "
        "`finetune` trains one on your own samples; `zoo publish --help` tells of the others."
    )


def publishes(backbone: Backbone) -> bool | None:
    """Say whether `zoo publish` takes a backbone; None where its address has to be asked for a classifier."""
    try:
        own = own_head(backbone)
    except RecipeError:
        return False
    return None if own.of_preset else True


def classes() -> tuple[str, ...]:
    """Return the names of ImageNet's 1,000 classes in the order of the scores.

    Of two classes of one name each has WordNet's number behind it: there are two cranes, a bird and a machine.
    """
    file = Path(__file__).parent / "catalog" / "imagenet.json"
    pairs: list[tuple[str, str]] = json.loads(file.read_bytes())
    twice = {name for name, count in Counter(name for _, name in pairs).items() if count > 1}
    return tuple(f"{name} ({number})" if name in twice else name for number, name in pairs)


def classes_of_task(task: Path) -> int:
    """Return how many classes the classifier of a preset has by its task.json.

    Raises:
        RecipeError: the preset is for another task.
    """
    try:
        told = json.loads(task.read_bytes())
        kind, count = str(told["class_name"]), told["config"].get("num_classes")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise RecipeError(f"{task} describes no task of KerasHub's. Delete it and run again.") from None
    if not kind.endswith("ImageClassifier") or not isinstance(count, int) or count < 2:
        raise RecipeError(f"{task} describes no image classifier but a {kind}; `finetune` trains one on your samples.")
    return count
