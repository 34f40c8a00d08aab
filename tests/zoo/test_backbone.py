"""Finding backbones by name, and what a wrong name is answered."""

from __future__ import annotations

import pytest

from zoo.backbone import DEFAULT, DEFAULT_TEXT, get
from zoo.errors import UnknownBackbone


def test_the_whole_name_and_the_architecture_alone_both_find_it() -> None:
    assert get("vgg16.imagenet") is get("vgg16")


def test_of_several_weights_the_default_is_meant_or_those_called_plainly_imagenet() -> None:
    assert get("efficientnet_lite0").name == DEFAULT  # not efficientnet_lite0.ra_imagenet
    assert get("all_minilm_l6_v2").name == DEFAULT_TEXT
    assert get("resnet50").name == "resnet50.imagenet"  # not resnet50.cv_imagenet


def test_of_several_weights_none_of_which_is_meant_all_are_named() -> None:
    with pytest.raises(UnknownBackbone, match=r"'bert_base' has .*bert_base\.en, bert_base\.en_uncased, .*Choose one"):
        get("bert_base")


def test_the_default_is_in_the_catalog() -> None:
    assert get(DEFAULT).name == DEFAULT


@pytest.mark.parametrize(
    ("wrong", "near"), [("mobilnet_v2", "mobilenet_v2"), ("ResNet50", "resnet50"), ("vgg", "vgg16")]
)
def test_a_wrong_name_is_answered_by_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UnknownBackbone, match=rf"Did you mean .*{near}.*zoo list"):
        get(wrong)


def test_a_name_like_no_other_gets_no_guess() -> None:
    with pytest.raises(UnknownBackbone, match=r"'xyz'\. `zoo list` shows all"):
        get("xyz")
