"""Backbones of KerasCV: its presets trained on ImageNet or COCO.

`cv.json` has the facts of KerasCV, written by `python -m tools.catalog.hub_table`. These networks take images of any
size and scale pixels themselves, by their files. Their trunks take 224 x 224, IMAGE_SIZE of KerasCV's training script
for ImageNet (https://github.com/keras-team/keras-cv, examples/training/classification/imagenet/basic_training.py, in
every version that the training history beside it names). KerasCV gives no size for MobileNetV3, which that history
lacks, and YOLOV8, trained on COCO: 224 is Graft's choice there, and `about` says so.

By KerasCV's README nearly all weights were trained by KerasCV; it gives no licence for any: unknown. It is not that of
the papers' authors, although a URL may have theirs as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zoo.catalog.backbone import Backbone, ImageSpec, Scaling
from zoo.catalog.presets import CONFIG_FILE, WEIGHTS_FILE, kaggle_source, read_preset_rows
from zoo.catalog.published_facts import PUBLISHED_TOP1

_IMAGE_SIZE: Final = 224
_README_URL: Final = "https://github.com/keras-team/keras-cv#pretrained-weights"
_UNVERIFIED_FAMILIES: Final = (
    "MobileNetV3Backbone",
    "YOLOV8Backbone",
)  # families whose number of parameters is not verified
_HEAD_PARAMS: Final = {"mit_b0_imagenet": 10 * (256 + 1)}  # of a head of ten classes
_ARXIV_IDS: Final = {
    "CSPDarkNetBackbone": "1911.11929",
    "DenseNetBackbone": "1608.06993",
    "EfficientNetV2Backbone": "2104.00298",
    "MiTBackbone": "2105.15203",
    "MobileNetV3Backbone": "1905.02244",
    "ResNetBackbone": "1512.03385",
    "ResNetV2Backbone": "1603.05027",
}
_FAMILY_NOTES: Final = {
    "EfficientNetV2Backbone": "the figures are of keras.applications' networks; KerasCV's training history has others",
    "MobileNetV3Backbone": "KerasCV tells no size of pictures: 224 is Graft's choice",
    "YOLOV8Backbone": "KerasCV tells no size of pictures: 224 is Graft's choice",
}


def _make_backbone(row: Mapping[str, Any]) -> Backbone:
    params, paper, note = _trunk_params(row), _ARXIV_IDS.get(row["family"]), _FAMILY_NOTES.get(row["family"])
    return Backbone(
        name=row["name"],
        builder="cv:preset",
        source=kaggle_source(row["handle"], WEIGHTS_FILE, CONFIG_FILE),
        library="keras-cv",
        takes=ImageSpec(size=_IMAGE_SIZE, scaling=Scaling.PRESET),
        width=None,
        params=params,
        ships=None if row["params"] == params else row["params"],
        megabytes=None,
        license=None,
        paper=paper and f"https://arxiv.org/abs/{paper}",
        card=_README_URL,
        about=f"{row['about']} ({note})" if note else row["about"],
        top1=PUBLISHED_TOP1.get(row["name"]),
    )


def _trunk_params(row: Mapping[str, Any]) -> int | None:
    """Return the trunk's parameters, if KerasCV's number is verified to be those, with or without a head."""
    if row["family"] in _UNVERIFIED_FAMILIES or row["params"] is None:
        return None
    return int(row["params"]) - _HEAD_PARAMS.get(row["preset"], 0)


BACKBONES: Final = tuple(_make_backbone(row) for row in read_preset_rows("cv.json"))
