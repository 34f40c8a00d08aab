"""Which backbones have a classifier of their own, ImageNet's 1,000 classes, and where its weights are. Light."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from zoo.backbone import Backbone, FileSource, Pixels, RemoteFile
from zoo.errors import RecipeError

_FOLDER: Final = Path(__file__).parent / "catalog"
_LITE: Final = "efficientnet_lite:"  # builders whose state dicts hold the classifier besides


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHead:
    """The classifier of a backbone: one dense layer on its features.

    It has a file of its own, of the network that `keras.applications` calls `factory` with its top; or it is in the
    backbone's own file, as the tensors `kernel` [k,d] and `bias` [k].
    """

    source: FileSource | None = None
    factory: str | None = None
    kernel: str | None = None
    bias: str | None = None

    def backbone(self, of: Backbone) -> Backbone:
        """Return `of` as it is fetched with its top: another file beside that of the trunk."""
        if self.source is None:
            return of
        if of.megabytes is None or of.width is None:
            return dataclasses.replace(of, source=self.source)
        # A dense layer of 1,000 classes; MB of float32.
        return dataclasses.replace(of, source=self.source, megabytes=of.megabytes + of.width * 1000 * 4e-6)


def own_head(backbone: Backbone) -> OwnHead:
    """Return where the classifier of `backbone` is.

    Raises:
        RecipeError: it has none, or one of another form; the message says which, and what to do.
    """
    if backbone.builder.startswith(_LITE):
        return OwnHead(kernel="_fc.weight", bias="_fc.bias")
    factory = _factory(backbone)
    if factory is None:
        raise RecipeError(
            f"{backbone.name} has no classifier of its own that is known here{_why(backbone)}. "
            "`finetune` trains one on your own samples; `zoo publish --help` tells of the others."
        )
    facts = _table()[factory]
    if facts["refused"]:
        raise RecipeError(
            f"{backbone.name} cannot be published as it is: {facts['refused']}; a head here is one dense layer on "
            "pooled maps. `finetune` trains one on your own pictures."
        )
    url = str(facts["url"])
    file = RemoteFile(url=url, path=url.rpartition("/")[2], md5=facts["md5"], sha256=facts["sha256"])
    return OwnHead(source=FileSource(files=(file,)), factory=factory)


def classes() -> tuple[str, ...]:
    """Return the names of ImageNet's 1,000 classes in the order of the scores.

    Of two classes of one name each has WordNet's number behind it: there are two cranes, a bird and a machine.
    """
    pairs: list[tuple[str, str]] = json.loads((_FOLDER / "imagenet.json").read_bytes())
    twice = {name for name, count in Counter(name for _, name in pairs).items() if count > 1}
    return tuple(f"{name} ({number})" if name in twice else name for number, name in pairs)


def _factory(backbone: Backbone) -> str | None:
    """Return what `keras.applications` calls a backbone; None where it is another library's, or has other weights."""
    architecture, _, weights = backbone.name.partition(".")
    if backbone.library != "keras.applications" or weights != "imagenet":
        return None
    plain = architecture.replace("_", "")
    return next((factory for factory in _table() if factory.lower() == plain), None)


def _why(backbone: Backbone) -> str:
    return "" if isinstance(backbone.takes, Pixels) else ": it takes texts"


@cache
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads((_FOLDER / "heads.json").read_bytes())
    return table
