"""Where the weights of presets come from: paper, licence, what that asks for, and the card that says so.

Each licence is the one that `card` tells: the authors' licence file or the README that speaks of the weights, the
model's card, or, for weights that KerasHub took from timm (https://github.com/keras-team/keras-hub,
tools/checkpoint_conversion), timm's source, whose `license` is that of the weights. All were read there or in a copy
of the page in November 2026. None: no licence of these very weights was found. Papers are those of the network's
architecture; KerasHub's classes and the authors' READMEs name them. A licence that a repository gives as a whole is
told for the weights it publishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_ARXIV: Final = "https://arxiv.org/abs/"
_HUB: Final = "github.com/"
_CARD: Final = "huggingface.co/"
_TIMM: Final = "github.com/huggingface/pytorch-image-models/blob/main/timm/models/"
# huggingface.co/keras/roberta_base_en, xlm_roberta_base_multi; fairseq's README: it applies to the models as well.
_KEEP_BOTH: Final = "KerasHub's card says Apache-2.0 and leaves the weights to the authors' licence, MIT; keep to both"
# https://github.com/huggingface/pytorch-image-models#pretrained-weights
_IMAGENET: Final = "timm's author: assume that ImageNet's own terms hold for the weights too, research and no commerce"
_TORCHVISION: Final = "timm calls these weights of torchvision's Apache-2.0, others of them BSD-3-Clause; keep to both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Paper, licence, what that asks for in plain words, and the address where the licence stands."""

    paper: str | None = None
    license: str | None = None
    restricts: str | None = None
    card: str | None = None


def _by(
    paper: str | None, license_: str | None = None, card: str | None = None, restricts: str | None = None
) -> Origin:
    return Origin(
        paper=paper and _ARXIV + paper,
        license=license_,
        restricts=restricts,
        card=card and f"https://{card}",
    )


_BGE: Final = "github.com/FlagOpen/FlagEmbedding/blob/master/LICENSE"
_PADDLE: Final = "github.com/PaddlePaddle/PaddleClas/blob/develop/LICENSE"
_SIGLIP: Final = "github.com/google-research/big_vision#license"

# By the name of the model in the address of its presets.
ORIGINS: Final[Mapping[str, Origin]] = MappingProxyType(
    {
        "albert": _by("1909.11942", "Apache-2.0", f"{_HUB}google-research/albert/blob/master/LICENSE"),
        "bart": _by("1910.13461", "MIT", f"{_HUB}facebookresearch/fairseq#license", _KEEP_BOTH),
        "bert": _by("1810.04805", "Apache-2.0", f"{_HUB}google-research/bert#pre-trained-models"),
        "bge": _by("2309.07597", "MIT", _BGE),
        "clip": _by("2103.00020", "MIT", f"{_HUB}openai/CLIP/blob/main/LICENSE"),
        "cspdarknet": _by("1911.11929", "Apache-2.0", f"{_TIMM}cspnet.py", _IMAGENET),
        "deberta_v3": _by("2111.09543", "MIT", f"{_HUB}microsoft/DeBERTa/blob/master/LICENSE"),
        "deit": _by("2012.12877", "Apache-2.0", f"{_HUB}facebookresearch/deit/blob/main/LICENSE"),
        "densenet": _by("1608.06993", "Apache-2.0", f"{_TIMM}densenet.py", _TORCHVISION),
        "dinov2": _by("2304.07193", "Apache-2.0", f"{_HUB}facebookresearch/dinov2#license"),
        "dinov3": _by(
            "2508.10104",
            "DINOv3",
            f"{_HUB}facebookresearch/dinov3/blob/main/LICENSE.md",
            "Meta's own licence: pass it on with the weights, and keep to its limits on use",
        ),
        "distil_bert": _by("1910.01108", "Apache-2.0", f"{_CARD}distilbert/distilbert-base-uncased"),
        "efficientnet": _by("1905.11946", "Apache-2.0", f"{_TIMM}efficientnet.py", _IMAGENET),
        "electra": _by("2003.10555", "Apache-2.0", f"{_HUB}google-research/electra/blob/master/LICENSE"),
        "esm-2": Origin(
            paper="https://doi.org/10.1101/2022.07.20.500902",
            license="MIT",
            card="https://github.com/facebookresearch/esm",
        ),
        # The licence of this card as two catalogues of models quote it; the code's repository has the same one.
        "f_net": _by("2105.03824", "Apache-2.0", f"{_CARD}google/fnet-base"),
        "hgnetv2": _by(None, "Apache-2.0", _PADDLE),
        "medsiglip": _by(
            "2507.05201",
            "Health-AI-Developer-Foundations",
            f"{_HUB}google-health/medsiglip#license",
            "Google's own terms of use must be accepted first",
        ),
        "metaclip2": _by(
            "2507.22062", "CC-BY-NC-4.0", f"{_HUB}facebookresearch/MetaCLIP/blob/main/LICENSE", "no commercial use"
        ),
        "mit": _by(
            "2105.15203",
            "NVIDIA-SegFormer",
            f"{_HUB}NVlabs/SegFormer/blob/master/LICENSE",
            "NVIDIA's source code licence: research and evaluation only, no commercial use",
        ),
        "mobilenetv3": _by("1905.02244", "Apache-2.0", f"{_TIMM}mobilenetv3.py", _IMAGENET),
        "mobilenetv5": _by(
            None, "Gemma", "ai.google.dev/gemma/terms", "Google's terms for Gemma bind who uses it; pass them on"
        ),
        "multilingual-e5": _by("2402.05672", "MIT", f"{_HUB}microsoft/unilm/tree/master/e5#license"),
        "mxbai-embed": _by("2309.12871", "Apache-2.0", f"{_CARD}mixedbread-ai/mxbai-embed-large-v1"),
        "resnet_vd": _by("1812.01187", "Apache-2.0", _PADDLE),
        "resnetv1": _by("1512.03385", "Apache-2.0", f"{_TIMM}resnet.py", _IMAGENET),
        "resnetv2": _by("1603.05027", "Apache-2.0", f"{_TIMM}resnetv2.py", _IMAGENET),
        "roberta": _by("1907.11692", "MIT", f"{_HUB}facebookresearch/fairseq#license", _KEEP_BOTH),
        "sentence-transformers": _by("1908.10084"),  # each has a card of its own, and not every card a licence
        "siglip": _by("2303.15343", "Apache-2.0", _SIGLIP),
        "swin-transformer": _by("2103.14030", "MIT", f"{_HUB}microsoft/Swin-Transformer/blob/main/LICENSE"),
        "t5": _by("1910.10683", "Apache-2.0", f"{_HUB}google-research/text-to-text-transfer-transformer"),
        "vgg": _by("1409.1556", "BSD-3-Clause", f"{_TIMM}vgg.py"),
        "vit": _by("2010.11929", "Apache-2.0", f"{_HUB}google-research/vision_transformer/blob/main/LICENSE"),
        # Converted from keras.applications by KerasHub's script, which compares the two.
        "xception": _by(
            "1610.02357", "MIT", f"{_HUB}keras-team/keras/blob/2.3.1/docs/templates/applications.md#xception"
        ),
        "xlm_roberta": _by("1911.02116", "MIT", f"{_HUB}facebookresearch/fairseq#license", _KEEP_BOTH),
    }
)

_MIIL: Final = f"{_TIMM}mobilenetv3.py"
_SENTENCES: Final = f"{_CARD}sentence-transformers/"

# Where one address has weights of several makers or papers: the beginning of a preset's name.
OWN: Final[Mapping[str, Origin]] = MappingProxyType(
    {
        "all_minilm_l12_v2": _by("1908.10084", "Apache-2.0", f"{_SENTENCES}all-MiniLM-L12-v2"),
        "all_minilm_l6_v2": _by("1908.10084", "Apache-2.0", f"{_SENTENCES}all-MiniLM-L6-v2"),
        "bge_llm_embedder": _by("2310.07554", "MIT", _BGE),
        "bge_m3": _by("2402.03216", "MIT", _BGE),
        "clip_vit_b_32_laion": _by("2212.07143", None, f"{_CARD}laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        "clip_vit_bigg": _by("2212.07143", "MIT", f"{_CARD}laion/CLIP-ViT-bigG-14-laion2B-39B-b160k"),
        "clip_vit_g_14": _by("2212.07143", "MIT", f"{_CARD}laion/CLIP-ViT-g-14-laion2B-s12B-b42K"),
        "clip_vit_h_14": _by("2212.07143", "MIT", f"{_CARD}laion/CLIP-ViT-H-14-laion2B-s32B-b79K"),
        "darknet_53": _by("1804.02767", "Apache-2.0", f"{_TIMM}cspnet.py", _IMAGENET),
        "dinov2_with_registers": _by("2309.16588", "Apache-2.0", f"{_HUB}facebookresearch/dinov2#license"),
        "efficientnet2": _by("2104.00298", "Apache-2.0", f"{_TIMM}efficientnet.py", _IMAGENET),
        "flan": _by("2210.11416", "Apache-2.0", f"{_HUB}google-research/text-to-text-transfer-transformer"),
        "mobilenet_v3_large_100_imagenet_21k": _by("1905.02244", "Apache-2.0", _MIIL),  # Alibaba's, not timm's own
        "mxbai_embed_2d": _by("2402.14776", "Apache-2.0", f"{_CARD}mixedbread-ai/mxbai-embed-2d-large-v1"),
        "mxbai_embed_xsmall": _by("2309.12871", "Apache-2.0", f"{_CARD}mixedbread-ai/mxbai-embed-xsmall-v1"),
        "paraphrase_minilm_l3": _by("1908.10084", "Apache-2.0", f"{_SENTENCES}paraphrase-MiniLM-L3-v2"),
        "paraphrase_minilm_l6": _by("1908.10084", "Apache-2.0", f"{_SENTENCES}paraphrase-MiniLM-L6-v2"),
        "siglip2": _by("2502.14786", "Apache-2.0", _SIGLIP),
    }
)
