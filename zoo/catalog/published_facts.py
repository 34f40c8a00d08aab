"""Published facts about the weights of presets: paper, licence and restrictions, and ImageNet top-1 accuracy.

Each licence is that in `card`: the authors' licence file or the README on the weights, the model card, or, for weights
that KerasHub converted from timm (https://github.com/keras-team/keras-hub, tools/checkpoint_conversion), timm's source,
whose `license` is that of the weights. All were read there or in a copy of the page in November 2026. None: no licence
of these very weights was found. A repository's licence is taken for the weights that it publishes. Papers are those of
the architecture, as named by KerasHub's classes and the authors' READMEs.

Accuracies are collected by hand. `accuracies.json` is a list of sources: the URL, why its numbers are those of exactly
these weights, and the numbers by the backbone's name. Numbers of the same architecture trained otherwise are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

_ARXIV_URL: Final = "https://arxiv.org/abs/"
_GITHUB: Final = "github.com/"
_HUGGINGFACE: Final = "huggingface.co/"
_TIMM_MODELS: Final = "github.com/huggingface/pytorch-image-models/blob/main/timm/models/"

# huggingface.co/keras/roberta_base_en, xlm_roberta_base_multi; fairseq's README: it applies to the models as well.
_TWO_LICENSES: Final = (
    "KerasHub's card says Apache-2.0 and leaves the weights to the authors' licence, MIT; keep to both"
)

# https://github.com/huggingface/pytorch-image-models#pretrained-weights
_IMAGENET_TERMS: Final = (
    "timm's author: assume that ImageNet's own terms hold for the weights too, research and no commerce"
)
_TORCHVISION_TERMS: Final = (
    "timm calls these weights of torchvision's Apache-2.0, others of them BSD-3-Clause; keep to both"
)
_BGE_LICENSE: Final = "github.com/FlagOpen/FlagEmbedding/blob/master/LICENSE"
_PADDLE_LICENSE: Final = "github.com/PaddlePaddle/PaddleClas/blob/develop/LICENSE"
_SIGLIP_LICENSE: Final = "github.com/google-research/big_vision#license"
_MIIL_LICENSE: Final = f"{_TIMM_MODELS}mobilenetv3.py"
_SENTENCE_TRANSFORMERS: Final = f"{_HUGGINGFACE}sentence-transformers/"
TOP1_SOURCES: Final[list[dict[str, Any]]] = json.loads(Path(__file__).with_name("accuracies.json").read_bytes())
PUBLISHED_TOP1: Final[Mapping[str, float]] = MappingProxyType(
    {name: top1 for source in TOP1_SOURCES for name, top1 in source["top1"].items()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsOrigin:
    """Paper and licence of weights, what the licence requires in plain words, and the URL of the licence."""

    paper: str | None = None
    license: str | None = None
    restricts: str | None = None
    card: str | None = None


def _make_origin(
    paper: str | None, license_: str | None = None, card: str | None = None, restricts: str | None = None
) -> WeightsOrigin:
    return WeightsOrigin(
        paper=paper and _ARXIV_URL + paper,
        license=license_,
        restricts=restricts,
        card=card and f"https://{card}",
    )


# By the model in the handle of its presets.
ORIGIN_BY_MODEL: Final[Mapping[str, WeightsOrigin]] = MappingProxyType(
    {
        "albert": _make_origin("1909.11942", "Apache-2.0", f"{_GITHUB}google-research/albert/blob/master/LICENSE"),
        "bart": _make_origin("1910.13461", "MIT", f"{_GITHUB}facebookresearch/fairseq#license", _TWO_LICENSES),
        "bert": _make_origin("1810.04805", "Apache-2.0", f"{_GITHUB}google-research/bert#pre-trained-models"),
        "bge": _make_origin("2309.07597", "MIT", _BGE_LICENSE),
        "clip": _make_origin("2103.00020", "MIT", f"{_GITHUB}openai/CLIP/blob/main/LICENSE"),
        "cspdarknet": _make_origin("1911.11929", "Apache-2.0", f"{_TIMM_MODELS}cspnet.py", _IMAGENET_TERMS),
        "deberta_v3": _make_origin("2111.09543", "MIT", f"{_GITHUB}microsoft/DeBERTa/blob/master/LICENSE"),
        "deit": _make_origin("2012.12877", "Apache-2.0", f"{_GITHUB}facebookresearch/deit/blob/main/LICENSE"),
        "densenet": _make_origin("1608.06993", "Apache-2.0", f"{_TIMM_MODELS}densenet.py", _TORCHVISION_TERMS),
        "dinov2": _make_origin("2304.07193", "Apache-2.0", f"{_GITHUB}facebookresearch/dinov2#license"),
        "dinov3": _make_origin(
            "2508.10104",
            "DINOv3",
            f"{_GITHUB}facebookresearch/dinov3/blob/main/LICENSE.md",
            "Meta's own licence: pass it on with the weights, and keep to its limits on use",
        ),
        "distil_bert": _make_origin("1910.01108", "Apache-2.0", f"{_HUGGINGFACE}distilbert/distilbert-base-uncased"),
        "efficientnet": _make_origin("1905.11946", "Apache-2.0", f"{_TIMM_MODELS}efficientnet.py", _IMAGENET_TERMS),
        "electra": _make_origin("2003.10555", "Apache-2.0", f"{_GITHUB}google-research/electra/blob/master/LICENSE"),
        "esm-2": WeightsOrigin(
            paper="https://doi.org/10.1101/2022.07.20.500902",
            license="MIT",
            card="https://github.com/facebookresearch/esm",
        ),
        # The licence of this card as two catalogues of models quote it; the code's repository has the same one.
        "f_net": _make_origin("2105.03824", "Apache-2.0", f"{_HUGGINGFACE}google/fnet-base"),
        "hgnetv2": _make_origin(None, "Apache-2.0", _PADDLE_LICENSE),
        "medsiglip": _make_origin(
            "2507.05201",
            "Health-AI-Developer-Foundations",
            f"{_GITHUB}google-health/medsiglip#license",
            "Google's own terms of use must be accepted first",
        ),
        "metaclip2": _make_origin(
            "2507.22062", "CC-BY-NC-4.0", f"{_GITHUB}facebookresearch/MetaCLIP/blob/main/LICENSE", "no commercial use"
        ),
        "mit": _make_origin(
            "2105.15203",
            "NVIDIA-SegFormer",
            f"{_GITHUB}NVlabs/SegFormer/blob/master/LICENSE",
            "NVIDIA's source code licence: research and evaluation only, no commercial use",
        ),
        "mobilenetv3": _make_origin("1905.02244", "Apache-2.0", f"{_TIMM_MODELS}mobilenetv3.py", _IMAGENET_TERMS),
        "mobilenetv5": _make_origin(
            None, "Gemma", "ai.google.dev/gemma/terms", "Google's terms for Gemma bind who uses it; pass them on"
        ),
        "multilingual-e5": _make_origin("2402.05672", "MIT", f"{_GITHUB}microsoft/unilm/tree/master/e5#license"),
        "mxbai-embed": _make_origin("2309.12871", "Apache-2.0", f"{_HUGGINGFACE}mixedbread-ai/mxbai-embed-large-v1"),
        "resnet_vd": _make_origin("1812.01187", "Apache-2.0", _PADDLE_LICENSE),
        "resnetv1": _make_origin("1512.03385", "Apache-2.0", f"{_TIMM_MODELS}resnet.py", _IMAGENET_TERMS),
        "resnetv2": _make_origin("1603.05027", "Apache-2.0", f"{_TIMM_MODELS}resnetv2.py", _IMAGENET_TERMS),
        "roberta": _make_origin("1907.11692", "MIT", f"{_GITHUB}facebookresearch/fairseq#license", _TWO_LICENSES),
        "sentence-transformers": _make_origin("1908.10084"),  # each has its own card, not all with a licence
        "siglip": _make_origin("2303.15343", "Apache-2.0", _SIGLIP_LICENSE),
        "swin-transformer": _make_origin("2103.14030", "MIT", f"{_GITHUB}microsoft/Swin-Transformer/blob/main/LICENSE"),
        "t5": _make_origin("1910.10683", "Apache-2.0", f"{_GITHUB}google-research/text-to-text-transfer-transformer"),
        "vgg": _make_origin("1409.1556", "BSD-3-Clause", f"{_TIMM_MODELS}vgg.py"),
        "vit": _make_origin(
            "2010.11929", "Apache-2.0", f"{_GITHUB}google-research/vision_transformer/blob/main/LICENSE"
        ),
        # Converted from keras.applications by KerasHub's script, which compares the two.
        "xception": _make_origin(
            "1610.02357", "MIT", f"{_GITHUB}keras-team/keras/blob/2.3.1/docs/templates/applications.md#xception"
        ),
        "xlm_roberta": _make_origin("1911.02116", "MIT", f"{_GITHUB}facebookresearch/fairseq#license", _TWO_LICENSES),
    }
)


# By the prefix of a preset's name, for handles with weights of several authors or papers.
ORIGIN_BY_PRESET_PREFIX: Final[Mapping[str, WeightsOrigin]] = MappingProxyType(
    {
        "all_minilm_l12_v2": _make_origin("1908.10084", "Apache-2.0", f"{_SENTENCE_TRANSFORMERS}all-MiniLM-L12-v2"),
        "all_minilm_l6_v2": _make_origin("1908.10084", "Apache-2.0", f"{_SENTENCE_TRANSFORMERS}all-MiniLM-L6-v2"),
        "bge_llm_embedder": _make_origin("2310.07554", "MIT", _BGE_LICENSE),
        "bge_m3": _make_origin("2402.03216", "MIT", _BGE_LICENSE),
        "clip_vit_b_32_laion": _make_origin("2212.07143", None, f"{_HUGGINGFACE}laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        "clip_vit_bigg": _make_origin("2212.07143", "MIT", f"{_HUGGINGFACE}laion/CLIP-ViT-bigG-14-laion2B-39B-b160k"),
        "clip_vit_g_14": _make_origin("2212.07143", "MIT", f"{_HUGGINGFACE}laion/CLIP-ViT-g-14-laion2B-s12B-b42K"),
        "clip_vit_h_14": _make_origin("2212.07143", "MIT", f"{_HUGGINGFACE}laion/CLIP-ViT-H-14-laion2B-s32B-b79K"),
        "darknet_53": _make_origin("1804.02767", "Apache-2.0", f"{_TIMM_MODELS}cspnet.py", _IMAGENET_TERMS),
        "dinov2_with_registers": _make_origin("2309.16588", "Apache-2.0", f"{_GITHUB}facebookresearch/dinov2#license"),
        "efficientnet2": _make_origin("2104.00298", "Apache-2.0", f"{_TIMM_MODELS}efficientnet.py", _IMAGENET_TERMS),
        "flan": _make_origin("2210.11416", "Apache-2.0", f"{_GITHUB}google-research/text-to-text-transfer-transformer"),
        "mobilenet_v3_large_100_imagenet_21k": _make_origin(
            "1905.02244", "Apache-2.0", _MIIL_LICENSE
        ),  # Alibaba's, not timm's own
        "mxbai_embed_2d": _make_origin(
            "2402.14776", "Apache-2.0", f"{_HUGGINGFACE}mixedbread-ai/mxbai-embed-2d-large-v1"
        ),
        "mxbai_embed_xsmall": _make_origin(
            "2309.12871", "Apache-2.0", f"{_HUGGINGFACE}mixedbread-ai/mxbai-embed-xsmall-v1"
        ),
        "paraphrase_minilm_l3": _make_origin(
            "1908.10084", "Apache-2.0", f"{_SENTENCE_TRANSFORMERS}paraphrase-MiniLM-L3-v2"
        ),
        "paraphrase_minilm_l6": _make_origin(
            "1908.10084", "Apache-2.0", f"{_SENTENCE_TRANSFORMERS}paraphrase-MiniLM-L6-v2"
        ),
        "siglip2": _make_origin("2502.14786", "Apache-2.0", _SIGLIP_LICENSE),
    }
)
