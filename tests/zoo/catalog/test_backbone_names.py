"""Finding backbones by name, and what a wrong name is answered."""

from __future__ import annotations

import pytest

from graft.errors import UnknownBackbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE
from zoo.catalog.find import get_backbone


def test_backbone_is_found_by_full_name_and_by_architecture() -> None:
    assert get_backbone("vgg16.imagenet") is get_backbone("vgg16")


def test_backbone_name_without_weights_means_the_default_or_imagenet() -> None:
    assert get_backbone("efficientnet_lite0").name == DEFAULT_IMAGE_BACKBONE  # not efficientnet_lite0.ra_imagenet
    assert get_backbone("all_minilm_l6_v2").name == DEFAULT_TEXT_BACKBONE
    assert get_backbone("resnet50").name == "resnet50.imagenet"  # not resnet50.cv_imagenet


def test_ambiguous_backbone_name_lists_the_choices() -> None:
    with pytest.raises(UnknownBackbone, match=r"'bert_base' has .*bert_base\.en, bert_base\.en_uncased, .*Choose one"):
        get_backbone("bert_base")


def test_default_backbone_is_in_the_catalog() -> None:
    assert get_backbone(DEFAULT_IMAGE_BACKBONE).name == DEFAULT_IMAGE_BACKBONE


@pytest.mark.parametrize(
    ("wrong", "near"), [("mobilnet_v2", "mobilenet_v2"), ("ResNet50", "resnet50"), ("vgg", "vgg16")]
)
def test_unknown_backbone_error_names_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UnknownBackbone, match=rf"Did you mean .*{near}.*zoo list"):
        get_backbone(wrong)


def test_unknown_backbone_error_without_a_near_name() -> None:
    with pytest.raises(UnknownBackbone, match=r"'xyz'\. `zoo list` shows all"):
        get_backbone("xyz")
