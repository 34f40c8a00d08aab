"""Width and number of parameters of the trunks of KerasHub's presets.

KerasHub gives one number of parameters a preset: of the trunk, of a whole classifier, of two towers, or rounded. The
width is that of the architecture in its paper. Both are used only if a network of the published layers, with the head
named here, has exactly that number: a test counts the layers in tests/support/presets/published_layers.py. For encoders
with a decoder the whole network has that number, and the encoder's share is listed here, counted from
tests/support/presets/published_encoder_layers.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from zoo.catalog.presets import HUB_FAMILIES, UNEXPLAINED_PARAMS

_PREFIXES_BY_WIDTH: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {  # width -> prefixes of presets' names
        128: ("bert_tiny",),
        192: ("deit_tiny",),
        256: ("electra_base_generator", "electra_large_generator", "electra_small", "mit_b0"),
        320: ("esm2_t6",),
        384: (
            *(
                "all_minilm",
                "bge_small_en",
                "bge_small_v1.5_en",
                "deberta_v3_extra_small",
                "deit_small",
                "dinov2_small",
            ),
            *("dinov2_with_registers_small", "msmarco_minilm", "multi_qa_minilm", "multilingual_e5_small"),
            *("mxbai_embed_xsmall", "paraphrase_minilm"),
        ),
        480: ("esm2_t12",),
        512: (
            "bert_medium",
            "bert_small",
            "bge_small_v1.5_zh",
            "mit",
            "resnet_18",
            "resnet_vd_18",
            "resnet_vd_34",
            *("flan_small", "t5_1.1_small", "t5_small"),
            "vgg",
        ),
        640: ("esm2_t30",),
        768: (
            *("albert_base", "bert_base", "bge_base", "bge_llm_embedder", "deberta_v3_base", "deberta_v3_small"),
            *("deit_base", "dinov2_base", "dinov2_with_registers_base", "distil_bert", "electra_base_discriminator"),
            *("f_net_base", "multilingual_e5_base", "roberta_base", "swin_small", "swin_tiny", "vit_base"),
            *("bart_base", "flan_base", "t5_1.1_base", "t5_base"),
            "xlm_roberta_base",
        ),
        1024: (
            *("albert_large", "bert_large", "bge_large", "bge_m3", "deberta_v3_large", "densenet_121", "dinov2_large"),
            *("dinov2_with_registers_large", "electra_large_discriminator", "f_net_large", "multilingual_e5_large"),
            *("mxbai_embed_2d_large", "mxbai_embed_large", "roberta_large", "swin_base", "vit_large"),
            *("bart_large", "flan_large", "t5_1.1_large", "t5_large", "xlm_roberta_large"),
        ),
        1280: ("esm2_t33", "vit_huge"),
        1536: ("swin_large",),
        1664: ("densenet_169",),
        1920: ("densenet_201",),
        2048: ("albert_extra_large", "resnet_101", "resnet_152", "resnet_50", "resnet_v2", "resnet_vd", "t5_1.1_xl"),
        4096: ("albert_extra_extra_large", "t5_1.1_xxl"),
    }
)
_WIDTH_BY_PREFIX: Final = tuple(  # the longest first, because the first match counts
    sorted(
        ((begin, width) for width, begins in _PREFIXES_BY_WIDTH.items() for begin in begins),
        key=lambda pair: -len(pair[0]),
    )
)
_HEAD_CLASSES: Final = {"mit": 10, "resnet_vd": 1000}  # of the dense head that KerasHub's number includes
_ENCODER_PARAMS: Final = {  # parameters of the encoder, if KerasHub's number includes a decoder
    "bart_base_en": 81_918_720,
    "bart_large_en": 203_676_672,
    "flan_base_multi": 109_628_544,
    "flan_large_multi": 341_231_104,
    "flan_small_multi": 35_332_800,
    "t5_1.1_base": 109_628_544,
    "t5_1.1_large": 341_231_104,
    "t5_1.1_small": 35_332_800,
    "t5_1.1_xl": 1_223_527_424,
    "t5_1.1_xxl": 4_762_310_656,
    "t5_base_multi": 109_628_544,
    "t5_large_multi": 334_939_648,
    "t5_small_multi": 35_330_816,
}
_UNRELIABLE_PARAMS: Final = {  # presets whose number does not match their layers
    "bart_large_en_cnn": "KerasHub's figure is that of a network that knows one word more",
    "dinov2_giant": UNEXPLAINED_PARAMS,
    "dinov2_with_registers_giant": UNEXPLAINED_PARAMS,
    "paraphrase_minilm_l3": "KerasHub's figure is not that of a MiniLM of three layers",
    "resnet_v2": "KerasHub's figure is that of version 1",
}


@dataclass(frozen=True, slots=True)
class PresetSize:
    """Width and parameters of the trunk, or the parameters of the whole preset, `ships`, explained by `params_note`."""

    width: int | None
    params: int | None
    ships: int | None
    params_note: str | None


def preset_size(row: Mapping[str, Any]) -> PresetSize:
    """Return the size of the preset in a row of hub.json."""
    preset, figure = row["preset"], row["params"]
    width = next((width for prefix, width in _WIDTH_BY_PREFIX if preset.startswith(prefix)), None)
    note = next((reason for prefix, reason in _UNRELIABLE_PARAMS.items() if preset.startswith(prefix)), None)
    if encoder_params := _ENCODER_PARAMS.get(preset):
        return PresetSize(
            width, encoder_params, figure, f"KerasHub's figure, {figure:,}, is that of encoder and decoder together"
        )
    if counts := note or HUB_FAMILIES[row["family"]].params_note:
        return PresetSize(width, None, figure, counts)
    classes = next((classes for prefix, classes in _HEAD_CLASSES.items() if preset.startswith(prefix)), 0)
    if classes and width:
        trunk = figure - classes * (width + 1)
        return PresetSize(width, trunk, figure, f"KerasHub's figure, {figure:,}, is with a head of {classes} classes")
    return PresetSize(width, figure, None, None)
