"""Licences, papers, cards and accuracies: told with a source, of these very weights, or unknown."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo.catalog import keras_cv_backbones, keras_hub_backbones
from zoo.catalog.backbone import Backbone, ImageSpec
from zoo.catalog.find import all_backbones, get_backbone
from zoo.catalog.presets import read_preset_rows
from zoo.catalog.published_facts import ORIGIN_BY_MODEL, ORIGIN_BY_PRESET_PREFIX, PUBLISHED_TOP1, TOP1_SOURCES
from zoo.cli.main import cli

PRESETS = {row["name"]: row for file in ("hub.json", "cv.json") for row in read_preset_rows(file)}
# Addresses whose weights are of a later paper than the one that KerasHub's class of their network names.
LATER = {"bge", "medsiglip", "mobilenetv3", "multilingual-e5", "mxbai-embed", "sentence-transformers"}


def shown(name: str) -> str:
    ran = CliRunner().invoke(cli, ["show", name])
    assert ran.exit_code == 0
    return ran.stdout


@pytest.mark.parametrize("backbone", all_backbones(), ids=lambda backbone: backbone.name)
def test_license_is_shown_with_its_source_or_unknown(backbone: Backbone) -> None:
    if backbone.license is not None:
        assert backbone.card
    else:
        assert backbone.restricts is None  # unknown as well: no restriction without a licence that has it
        assert re.search(r"^license +unknown$", shown(backbone.name), re.MULTILINE)
        assert re.search(r"^restricts +unknown$", shown(backbone.name), re.MULTILINE)


def test_every_preset_handle_has_an_origin() -> None:
    assert {row["handle"].split("/")[1] for row in read_preset_rows("hub.json")} == ORIGIN_BY_MODEL.keys()
    presets = [row["preset"] for row in read_preset_rows("hub.json")]
    assert all(any(preset.startswith(begin) for preset in presets) for begin in ORIGIN_BY_PRESET_PREFIX)
    assert not [
        one
        for one in ORIGIN_BY_PRESET_PREFIX
        for other in ORIGIN_BY_PRESET_PREFIX
        if one != other and one.startswith(other)
    ]  # no order is needed


def test_license_of_a_paper_is_not_that_of_retrained_weights() -> None:
    assert get_backbone("mit_b0.ade20k_512").license == "NVIDIA-SegFormer"
    assert {entry.license for entry in keras_cv_backbones.BACKBONES} == {None}
    assert get_backbone("resnet_50.imagenet").license == "Apache-2.0"
    assert get_backbone("resnet50.imagenet").license == "MIT"
    assert get_backbone("mobilenet_v3_large_100.imagenet_21k").restricts is None
    assert "ImageNet's own terms" in (get_backbone("mobilenet_v3_large_100.imagenet").restricts or "")
    assert get_backbone("msmarco_minilm_l6_cos_v5.en").license is None
    assert (
        get_backbone("all_minilm_l6_v2.en").license
        == get_backbone("all_minilm_l6_v2.sentences").license
        == "Apache-2.0"
    )


def test_papers_equal_those_named_in_keras_hub() -> None:
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
    for row in read_preset_rows("hub.json"):
        address = row["handle"].split("/")[1]
        if (
            named[row["family"]]
            and address not in LATER
            and not any(row["preset"].startswith(own) for own in ORIGIN_BY_PRESET_PREFIX)
        ):
            assert (get_backbone(row["name"]).paper or "").rpartition("/")[2] in named[row["family"]]
            compared += 1
    assert compared > 100


def test_accuracies_have_pinned_sources() -> None:
    for source in TOP1_SOURCES:
        assert re.match(r"https://github\.com/[\w-]+/[\w-]+/blob/[0-9a-f]{40}/", source["source"])
        assert source["why"]
    assert sum(len(source["top1"]) for source in TOP1_SOURCES) == len(PUBLISHED_TOP1)
    assert PUBLISHED_TOP1.keys() <= PRESETS.keys()
    for name, top1 in PUBLISHED_TOP1.items():
        assert isinstance(get_backbone(name).takes, ImageSpec)
        assert get_backbone(name).top1 == top1
        assert 50 < top1 < 90


def test_accuracy_is_unknown_for_weights_without_one() -> None:
    untold = {
        entry.name for entry in (*keras_hub_backbones.BACKBONES, *keras_cv_backbones.BACKBONES) if entry.top1 is None
    }
    assert {
        "efficientnet_b5.sw_imagenet",  # its classifier has the 11,821 classes of ImageNet-12k
        "efficientnet_el.ra_imagenet",  # its address leads to other weights
        "swin_base_patch4_window7_224.imagenet",  # it is told to be of other weights than it seems to be of
        "vit_base_patch16_224.imagenet21k",
        "dinov2_base.lvd142m",
        "yolo_v8_s.cv_coco",
    } <= untold
    assert all(
        entry.top1 is None
        for entry in keras_hub_backbones.BACKBONES
        if entry.cannot and "another preset" in entry.cannot
    )


def test_accuracies_of_keras_cv_are_of_its_own_training() -> None:
    entry = get_backbone("efficientnetv2_b0.cv_imagenet")
    assert entry.top1 == 75.27
    assert "77.1%" in (entry.about or "")
    assert "KerasCV's training history has others" in shown(entry.name)
    assert (get_backbone("resnet50_v2.cv_imagenet").top1, get_backbone("mit_b0.cv_imagenet").top1) == (76.12, 69)
    assert get_backbone("yolo_v8_s.cv_coco").about == "A small YOLOV8 backbone pretrained on COCO" + (
        " (KerasCV tells no size of pictures: 224 is Graft's choice)"
    )
