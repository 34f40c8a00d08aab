"""Finding backbones by name, and what a wrong name is answered."""

from __future__ import annotations

import pytest

from zoo.backbone import DEFAULT, get
from zoo.errors import UnknownBackbone


def test_the_whole_name_and_the_architecture_alone_both_find_it() -> None:
    assert get("vgg16.imagenet") is get("vgg16")


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
