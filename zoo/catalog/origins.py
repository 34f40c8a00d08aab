"""Where the weights of presets come from, by the name of the model in their address: paper, licence, card.

Each licence is the one that the weights' authors give in the repository or on the card named here; None: none that we
have seen. Weights that were converted from timm, from TensorFlow's own training or from KerasCV's have none that is
told for the weights alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_ARXIV: Final = "https://arxiv.org/abs/"
_KEEP_MIT: Final = "KerasHub's card says Apache-2.0 and leaves the weights to the authors' licence, MIT; keep to both"
_KEEP_APACHE: Final = "KerasHub's card says MIT, the authors' own says Apache-2.0; keep to both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Paper, licence, what that asks for in plain words, and the address of the authors' card or repository."""

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


ORIGINS: Final[Mapping[str, Origin]] = MappingProxyType(
    {
        "albert": _by("1909.11942", "Apache-2.0", "github.com/google-research/albert"),
        "bart": _by("1910.13461", "MIT", "github.com/facebookresearch/fairseq", _KEEP_MIT),
        "bert": _by("1810.04805", "Apache-2.0", "github.com/google-research/bert"),
        "bge": _by("2309.07597", "MIT", "huggingface.co/BAAI"),
        "clip": _by("2103.00020", "MIT", "github.com/openai/CLIP"),
        "cspdarknet": _by("1911.11929"),
        "deberta_v3": _by("2111.09543", "MIT", "github.com/microsoft/DeBERTa"),
        "deit": _by("2012.12877", "Apache-2.0", "github.com/facebookresearch/deit"),
        "densenet": _by("1608.06993"),
        "dinov2": _by("2304.07193", "Apache-2.0", "github.com/facebookresearch/dinov2"),
        "dinov3": _by(
            "2508.10104",
            "DINOv3",
            "github.com/facebookresearch/dinov3",
            "Meta's own licence: pass it on with the weights, and keep to its limits on use",
        ),
        "distil_bert": _by("1910.01108", "Apache-2.0", "huggingface.co/distilbert"),
        "efficientnet": _by("1905.11946"),
        "efficientnetv2": _by("2104.00298"),
        "electra": _by("2003.10555", "Apache-2.0", "github.com/google-research/electra", _KEEP_APACHE),
        "esm-2": Origin(
            paper="https://doi.org/10.1101/2022.07.20.500902",
            license="MIT",
            card="https://github.com/facebookresearch/esm",
        ),
        "f_net": _by("2105.03824", "Apache-2.0", "github.com/google-research/google-research"),
        "hgnetv2": _by(None, "Apache-2.0", "github.com/PaddlePaddle/PaddleClas"),
        "medsiglip": _by(
            "2507.05201",
            "Health-AI-Developer-Foundations",
            "huggingface.co/google/medsiglip-448",
            "Google's own terms of use must be accepted first",
        ),
        "metaclip2": _by("2507.22062", "CC-BY-NC-4.0", "github.com/facebookresearch/MetaCLIP", "no commercial use"),
        "mit": _by(
            "2105.15203",
            "NVIDIA-SegFormer",
            "github.com/NVlabs/SegFormer",
            "NVIDIA's source code licence: research and evaluation only, no commercial use",
        ),
        "mobilenetv3": _by("1905.02244"),
        "mobilenetv5": _by(
            None, "Gemma", "ai.google.dev/gemma/terms", "Google's terms for Gemma must be accepted and passed on"
        ),
        "multilingual-e5": _by("2402.05672", "MIT", "huggingface.co/intfloat"),
        "mxbai-embed": _by(None, "Apache-2.0", "huggingface.co/mixedbread-ai"),
        "resnet_vd": _by("1812.01187", "Apache-2.0", "github.com/PaddlePaddle/PaddleClas"),
        "resnetv1": _by("1512.03385"),
        "resnetv2": _by("1603.05027"),
        "roberta": _by("1907.11692", "MIT", "github.com/facebookresearch/fairseq", _KEEP_MIT),
        "sentence-transformers": _by("1908.10084", "Apache-2.0", "huggingface.co/sentence-transformers"),
        "siglip": _by("2303.15343", "Apache-2.0", "github.com/google-research/big_vision"),
        "swin-transformer": _by("2103.14030", "MIT", "github.com/microsoft/Swin-Transformer"),
        "t5": _by("1910.10683", "Apache-2.0", "github.com/google-research/text-to-text-transfer-transformer"),
        "vgg": _by("1409.1556"),
        "vit": _by("2010.11929", "Apache-2.0", "github.com/google-research/vision_transformer"),
        "xception": _by("1610.02357"),
        "xlm_roberta": _by("1911.02116", "MIT", "github.com/facebookresearch/fairseq", _KEEP_MIT),
        "yolov8": _by(None),
    }
)

# Where one address has weights of several papers: the beginning of a preset's name, longest first.
PAPERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bge_llm_embedder": f"{_ARXIV}2310.07554",
        "bge_m3": f"{_ARXIV}2402.03216",
        "clip_vit_b_32_laion": f"{_ARXIV}2212.07143",
        "clip_vit_bigg": f"{_ARXIV}2212.07143",
        "clip_vit_g_14": f"{_ARXIV}2212.07143",
        "clip_vit_h_14": f"{_ARXIV}2212.07143",
        "darknet_53": f"{_ARXIV}1804.02767",
        "dinov2_with_registers": f"{_ARXIV}2309.16588",
        "efficientnet2": f"{_ARXIV}2104.00298",
        "flan": f"{_ARXIV}2210.11416",
        "siglip2": f"{_ARXIV}2502.14786",
    }
)
