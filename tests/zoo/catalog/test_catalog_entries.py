"""Every entry of the catalog says what is true: about its network, its weights and its licence."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from zoo.catalog.backbone import Backbone, ImageSpec, Precision, Scaling, WheelSource
from zoo.catalog.find import all_backbones

# Builds each network with random weights and tells what it really is; TensorFlow stays in the child.
MEASURE = """
import json
from zoo.catalog.backbone import ImageSpec
from zoo.catalog.find import all_backbones
from zoo.convert.networks import build_backbone_network
def facts(model):
    return [model.count_params(), *model.input_shape[1:], *model.output_shape[1:]]
images = [b for b in all_backbones() if isinstance(b.takes, ImageSpec) and b.takes.scaling != 'preset']
print(json.dumps({b.name: facts(build_backbone_network(b, None)) for b in images}))
"""


def names(backbone: Backbone) -> str:
    return backbone.name


def test_catalog_is_sorted_and_names_are_well_formed() -> None:
    found = [backbone.name for backbone in all_backbones()]
    assert found == sorted(set(found))
    assert all(re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", name) for name in found)


@pytest.mark.parametrize("backbone", all_backbones(), ids=names)
def test_catalog_facts_are_plausible(backbone: Backbone) -> None:
    # What is not known is None: never a zero, never an empty word.
    numbers = (backbone.params, backbone.ships, backbone.width, backbone.megabytes, backbone.top1)
    assert all(fact is None or fact > 0 for fact in numbers)
    assert all(word is None or word for word in (backbone.license, backbone.about, backbone.cannot))
    assert backbone.paper is None or backbone.paper.startswith(("https://arxiv.org/abs/", "https://doi.org/"))
    assert backbone.card is None or backbone.card.startswith("https://")
    if backbone.megabytes and backbone.params:
        # Weights are fp32; a file has a header, sometimes a classifier, besides; a wheel is compressed a little.
        assert 0.9 < backbone.megabytes / ((backbone.ships or backbone.params) * 4e-6) < 1.5
    assert backbone.precision is Precision.FP32 or backbone.int8.startswith("proven")


@pytest.mark.parametrize("backbone", all_backbones(), ids=names)
def test_catalog_weights_have_checksums_and_licenses(backbone: Backbone) -> None:
    source = backbone.source
    if isinstance(source, WheelSource):
        assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)
        assert all(re.fullmatch(r"[0-9a-f]{64}", member.sha256) for member in source.members)
        assert source.license
    else:
        assert all(file.url.startswith("https://") for file in source.files)
        assert all(file.md5 is None or re.fullmatch(r"[0-9a-f]{32}", file.md5) for file in source.files)


@pytest.mark.slow
def test_catalog_width_params_and_size_equal_the_networks() -> None:
    ran = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    measured = json.loads(ran.stdout.splitlines()[-1])
    assert measured == {
        b.name: [b.params, b.takes.size, b.takes.size, 3, b.width]
        for b in all_backbones()
        if isinstance(b.takes, ImageSpec) and b.takes.scaling is not Scaling.PRESET
    }
