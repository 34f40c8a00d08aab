"""Licences, papers, cards and accuracies: told with a source, of these very weights, or unknown."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo.backbone import Backbone, Pixels, catalog, get
from zoo.catalog import cv, hub
from zoo.catalog.accuracies import SOURCES, TOP1
from zoo.catalog.origins import ORIGINS, OWN
from zoo.catalog.preset import rows
from zoo.cli import cli

PRESETS = {row["name"]: row for file in ("hub.json", "cv.json") for row in rows(file)}
# Addresses whose weights are of a later paper than the one that KerasHub's class of their network names.
LATER = {"bge", "medsiglip", "mobilenetv3", "multilingual-e5", "mxbai-embed", "sentence-transformers"}


def shown(name: str) -> str:
    ran = CliRunner().invoke(cli, ["show", name])
    assert ran.exit_code == 0
    return ran.stdout


@pytest.mark.parametrize("backbone", catalog(), ids=lambda backbone: backbone.name)
def test_a_licence_is_told_with_the_page_that_tells_it(backbone: Backbone) -> None:
    if backbone.license is not None:
        assert backbone.card
    else:
        assert backbone.restricts is None  # unknown as well: no restriction without a licence that has it
        assert re.search(r"^license +unknown$", shown(backbone.name), re.MULTILINE)
        assert re.search(r"^restricts +unknown$", shown(backbone.name), re.MULTILINE)


def test_every_address_has_an_origin_and_every_origin_is_needed() -> None:
    assert {row["handle"].split("/")[1] for row in rows("hub.json")} == ORIGINS.keys()
    presets = [row["preset"] for row in rows("hub.json")]
    assert all(any(preset.startswith(begin) for preset in presets) for begin in OWN)
    assert not [one for one in OWN for other in OWN if one != other and one.startswith(other)]  # no order is needed


def test_a_licence_of_the_papers_authors_is_not_that_of_weights_which_others_trained() -> None:
    assert get("mit_b0.ade20k_512").license == "NVIDIA-SegFormer"
    assert {entry.license for entry in cv.TABLE} == {None}
    assert get("resnet_50.imagenet").license == "Apache-2.0"
    assert get("resnet50.imagenet").license == "MIT"
    assert get("mobilenet_v3_large_100.imagenet_21k").restricts is None
    assert "ImageNet's own terms" in (get("mobilenet_v3_large_100.imagenet").restricts or "")
    assert get("msmarco_minilm_l6_cos_v5.en").license is None
    assert get("all_minilm_l6_v2.en").license == get("all_minilm_l6_v2.sentences").license == "Apache-2.0"


def test_papers_are_those_that_keras_hub_names_in_its_own_source() -> None:
    spec = importlib.util.find_spec("keras_hub")  # found, not imported
    assert spec
    assert spec.origin
    source = Path(spec.origin).parent / "src" / "models"
    named: dict[str, set[str]] = {}
    for file in source.glob("*/*_backbone.py"):
        text = file.read_text()
        papers = set(re.findall(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})", text))
        named |= dict.fromkeys(re.findall(r"^class (\w+Backbone)\(", text, re.MULTILINE), papers)
    compared = 0
    for row in rows("hub.json"):
        address = row["handle"].split("/")[1]
        if named[row["family"]] and address not in LATER and not any(row["preset"].startswith(own) for own in OWN):
            assert (get(row["name"]).paper or "").rpartition("/")[2] in named[row["family"]]
            compared += 1
    assert compared > 100


def test_accuracies_have_pinned_sources_and_each_name_once() -> None:
    for source in SOURCES:
        assert re.match(r"https://github\.com/[\w-]+/[\w-]+/blob/[0-9a-f]{40}/", source["source"])
        assert source["why"]
    assert sum(len(source["top1"]) for source in SOURCES) == len(TOP1)
    assert TOP1.keys() <= PRESETS.keys()
    for name, top1 in TOP1.items():
        assert isinstance(get(name).takes, Pixels)
        assert get(name).top1 == top1
        assert 50 < top1 < 90


def test_no_accuracy_is_told_of_weights_that_have_none() -> None:
    untold = {entry.name for entry in (*hub.TABLE, *cv.TABLE) if entry.top1 is None}
    assert {
        "efficientnet_b5.sw_imagenet",  # its classifier has the 11,821 classes of ImageNet-12k
        "efficientnet_el.ra_imagenet",  # its address leads to other weights
        "swin_base_patch4_window7_224.imagenet",  # it is told to be of other weights than it seems to be of
        "vit_base_patch16_224.imagenet21k",
        "dinov2_base.lvd142m",
        "yolo_v8_s.cv_coco",
    } <= untold
    assert all(entry.top1 is None for entry in hub.TABLE if entry.cannot and "another preset" in entry.cannot)


def test_keras_cv_s_accuracies_are_of_its_own_training_and_not_those_its_descriptions_copy() -> None:
    entry = get("efficientnetv2_b0.cv_imagenet")
    assert entry.top1 == 75.27
    assert "77.1%" in (entry.about or "")
    assert "KerasCV's training history has others" in shown(entry.name)
    assert (get("resnet50_v2.cv_imagenet").top1, get("mit_b0.cv_imagenet").top1) == (76.12, 69)
    assert get("yolo_v8_s.cv_coco").about == "A small YOLOV8 backbone pretrained on COCO" + (
        " (KerasCV tells no size of pictures: 224 is Graft's choice)"
    )
