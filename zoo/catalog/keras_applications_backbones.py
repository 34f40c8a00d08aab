"""Backbones of keras.applications: all networks of the library.

The facts that the library has itself (URL, hash, input, width, parameters) are in applications.json, written by
`python -m tools.catalog.applications_table`. The other facts are here, from these sources:

- Scaling: a test compares it with the library's `preprocess_input` and its own first layers.
- Licence of the weights, and `card`, its source: Keras' documentation of 2.3.1 (docs/templates/
  applications.md, "License"). For later networks, that of the repository the weights were converted from:
  tensorflow/models (MobileNetV3, Apache-2.0, says keras-team/keras-applications), tensorflow/tpu and google/automl
  (EfficientNet, Apache-2.0), facebookresearch/ConvNeXt (MIT).
- Top-1: the table at keras.io/api/applications; MobileNetV3's is in its own source.
- Megabytes: as reported by the file's server, where known; otherwise parameters times four bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from zoo.catalog.backbone import Backbone, FileSource, ImageSpec, RemoteFile, Scaling

_LIBRARY_FACTS: Final[dict[str, dict[str, Any]]] = json.loads(
    Path(__file__).with_name("applications.json").read_bytes()
)
_VGG_RESTRICTION: Final = (
    "name the Visual Geometry Group, University of Oxford, wherever you publish results or the model"
)
_GITHUB_URL: Final = "https://github.com/"
_KERAS_LICENSES_URL: Final = f"{_GITHUB_URL}keras-team/keras/blob/2.3.1/docs/templates/applications.md"
_MOBILENET_V3_URL: Final = f"{_GITHUB_URL}keras-team/keras-applications/blob/master/keras_applications/mobilenet_v3.py"
_SERVER_MEGABYTES: Final = {"MobileNetV2": 9.4, "MobileNetV3Small": 4.0, "ResNet50": 94.8, "VGG16": 58.9}  # megabytes


class _ApplicationsFamily(NamedTuple):
    """Networks of one paper: their names in the catalog, and their published top-1 accuracy in percent."""

    paper: str  # its arXiv identifier
    license: str
    scaling: Scaling
    members: dict[str, tuple[str, float]]  # by the function's name in the library
    card: str = _KERAS_LICENSES_URL  # source of the licence; for MobileNetV3, of the weights


_FAMILIES: Final = (
    _ApplicationsFamily("1409.1556", "CC-BY-4.0", Scaling.CAFFE, {"VGG16": ("vgg16", 71.3), "VGG19": ("vgg19", 71.3)}),
    _ApplicationsFamily("1512.00567", "Apache-2.0", Scaling.UNIT_SIGNED, {"InceptionV3": ("inception_v3", 77.9)}),
    _ApplicationsFamily(
        "1512.03385",
        "MIT",
        Scaling.CAFFE,
        {"ResNet50": ("resnet50", 74.9), "ResNet101": ("resnet101", 76.4), "ResNet152": ("resnet152", 76.6)},
    ),
    _ApplicationsFamily(
        "1603.05027",
        "BSD",
        Scaling.UNIT_SIGNED,
        {
            "ResNet50V2": ("resnet50_v2", 76.0),
            "ResNet101V2": ("resnet101_v2", 77.2),
            "ResNet152V2": ("resnet152_v2", 78.0),
        },
    ),
    _ApplicationsFamily(
        "1602.07261", "Apache-2.0", Scaling.UNIT_SIGNED, {"InceptionResNetV2": ("inception_resnet_v2", 80.3)}
    ),
    _ApplicationsFamily(
        "1608.06993",
        "BSD-3-Clause",
        Scaling.TORCH,
        {
            "DenseNet121": ("densenet121", 75.0),
            "DenseNet169": ("densenet169", 76.2),
            "DenseNet201": ("densenet201", 77.3),
        },
    ),
    _ApplicationsFamily("1610.02357", "MIT", Scaling.UNIT_SIGNED, {"Xception": ("xception", 79.0)}),
    _ApplicationsFamily("1704.04861", "Apache-2.0", Scaling.UNIT_SIGNED, {"MobileNet": ("mobilenet", 70.4)}),
    _ApplicationsFamily(
        "1707.07012",
        "Apache-2.0",
        Scaling.UNIT_SIGNED,
        {"NASNetMobile": ("nasnet_mobile", 74.4), "NASNetLarge": ("nasnet_large", 82.5)},
    ),
    _ApplicationsFamily("1801.04381", "Apache-2.0", Scaling.UNIT_SIGNED, {"MobileNetV2": ("mobilenet_v2", 71.3)}),
    _ApplicationsFamily(
        "1905.02244",
        "Apache-2.0",
        Scaling.UNIT_SIGNED,
        {"MobileNetV3Small": ("mobilenet_v3_small", 68.1), "MobileNetV3Large": ("mobilenet_v3_large", 75.6)},
        _MOBILENET_V3_URL,
    ),
    _ApplicationsFamily(
        "1905.11946",
        "Apache-2.0",
        Scaling.RAW,
        {
            f"EfficientNetB{number}": (f"efficientnet_b{number}", top1)
            for number, top1 in enumerate((77.1, 79.1, 80.1, 81.6, 82.9, 83.6, 84.0, 84.3))
        },
        f"{_GITHUB_URL}tensorflow/tpu/blob/master/LICENSE",
    ),
    _ApplicationsFamily(
        "2104.00298",
        "Apache-2.0",
        Scaling.TORCH,
        {
            f"EfficientNetV2B{number}": (f"efficientnet_v2_b{number}", top1)
            for number, top1 in enumerate((78.7, 79.8, 80.5, 82.0))
        },
        f"{_GITHUB_URL}google/automl/blob/master/LICENSE",
    ),
    _ApplicationsFamily(
        "2104.00298",
        "Apache-2.0",
        Scaling.HALF_RANGE,
        {
            "EfficientNetV2S": ("efficientnet_v2_s", 83.9),
            "EfficientNetV2M": ("efficientnet_v2_m", 85.3),
            "EfficientNetV2L": ("efficientnet_v2_l", 85.7),
        },
        f"{_GITHUB_URL}google/automl/blob/master/LICENSE",
    ),
    _ApplicationsFamily(
        "2201.03545",
        "MIT",
        Scaling.TORCH,
        {
            "ConvNeXtTiny": ("convnext_tiny", 81.3),
            "ConvNeXtSmall": ("convnext_small", 82.3),
            "ConvNeXtBase": ("convnext_base", 85.3),
            "ConvNeXtLarge": ("convnext_large", 86.3),
            "ConvNeXtXLarge": ("convnext_xlarge", 86.7),
        },
        f"{_GITHUB_URL}facebookresearch/ConvNeXt/blob/main/LICENSE",
    ),
)


def _make_backbone(family: _ApplicationsFamily, factory: str) -> Backbone:
    """Return the entry of the library's function `factory`."""
    facts = _LIBRARY_FACTS[factory]
    architecture, top1 = family.members[factory]
    url = facts["url"]
    return Backbone(
        name=f"{architecture}.imagenet",
        builder=f"applications:headless:{factory}",
        source=FileSource(
            files=(RemoteFile(url=url, path=url.rpartition("/")[2], sha256=facts["sha256"], md5=facts["md5"]),)
        ),
        library="keras.applications",
        takes=ImageSpec(size=facts["size"], scaling=family.scaling),
        width=facts["width"],
        params=facts["params"],
        megabytes=_SERVER_MEGABYTES.get(factory) or round(facts["params"] * 4e-6, 1),
        license=family.license,
        restricts=_VGG_RESTRICTION if factory.startswith("VGG") else None,
        paper=f"https://arxiv.org/abs/{family.paper}",
        card=family.card,
        top1=top1,
    )


BACKBONES: Final = tuple(_make_backbone(family, factory) for family in _FAMILIES for factory in family.members)
