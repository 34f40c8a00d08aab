"""From an image preset on a server to features: KerasHub's true files, by Keras, in a process of its own."""

from __future__ import annotations

import dataclasses

import pytest

from tests.zoo.image_presets import CONFIGS, TOWERS
from zoo.backbone import Backbone, Pixels, get
from zoo.catalog import hub
from zoo.catalog.preset import rows

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
FAMILIES = {row["family"].removesuffix("Backbone"): row["name"] for row in reversed(rows("hub.json"))}


def entry_of(family: str) -> Backbone:
    """An entry of the family; a tiny network is as wide as it likes, so the width is unknown here."""
    entries = (entry for entry in hub.TABLE if entry.name == FAMILIES[family])
    return dataclasses.replace(next(entries), width=None, cannot=None)


def test_every_image_family_has_a_tiny_network() -> None:
    families = {
        row["family"].removesuffix("Backbone") for row in rows("hub.json") if isinstance(get(row["name"]).takes, Pixels)
    }
    assert families == {*CONFIGS, *TOWERS}
