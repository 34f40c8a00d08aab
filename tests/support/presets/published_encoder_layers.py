"""The layers of published networks of which the catalog takes the encoder alone, and of ESM-2, which is none but that.

T5: sections 3.1.1 and 3.7 of https://arxiv.org/abs/1910.10683 for version 1; the configurations that Google published
with the weights for 1.1, which Flan has too. BART: section 2.1 of https://arxiv.org/abs/1910.13461 and what
KerasHub's own table says of the layers; the network tuned to CNN's news knows one word less.
"""

from __future__ import annotations

from typing import Any


def _t5(layers: int, width: int, heads: int, inner: int, *, tables: int = 1, gated: bool = False) -> dict[str, Any]:
    """`tables`: how many tables of tokens KerasHub's figure counts, one to read and perhaps one to write."""
    return {
        "vocabulary_size": 32128,
        "num_layers": layers,
        "num_heads": heads,
        "hidden_dim": width,
        "intermediate_dim": inner,
        "key_value_dim": 64,
        "use_gated_activation": gated,
        "tie_embedding_weights": tables == 1,
    }


def _t5_1_1(size: str, tables: int) -> dict[str, Any]:
    sizes = {
        "small": (8, 512, 6, 1024),
        "base": (12, 768, 12, 2048),
        "large": (24, 1024, 16, 2816),
        "xl": (24, 2048, 32, 5120),
        "xxl": (24, 4096, 64, 10240),
    }
    return _t5(*sizes[size], tables=tables, gated=True)


def _bart(layers: int, width: int, vocabulary: int = 50265) -> dict[str, Any]:
    return {
        "vocabulary_size": vocabulary,
        "num_layers": layers,
        "num_heads": width // 64,
        "hidden_dim": width,
        "intermediate_dim": 4 * width,
        "max_sequence_length": 1024,
    }


HALVES: dict[str, dict[str, Any]] = {
    "bart_base.en": _bart(6, 768),
    "bart_large.en": _bart(12, 1024),
    "bart_large.en_cnn": _bart(12, 1024, 50264),
    "flan_base.multi": _t5_1_1("base", 2),
    "flan_large.multi": _t5_1_1("large", 2),
    "flan_small.multi": _t5_1_1("small", 2),
    "t5_1_1_base.c4": _t5_1_1("base", 2),
    "t5_1_1_large.c4": _t5_1_1("large", 1),
    "t5_1_1_small.c4": _t5_1_1("small", 1),
    "t5_1_1_xl.c4": _t5_1_1("xl", 2),
    "t5_1_1_xxl.c4": _t5_1_1("xxl", 2),
    "t5_base.multi": _t5(12, 768, 12, 3072),
    "t5_large.multi": _t5(24, 1024, 16, 4096),
    "t5_small.multi": _t5(6, 512, 8, 2048),
}


def _esm2(layers: int, width: int) -> dict[str, Any]:
    """ESM-2's, https://doi.org/10.1101/2022.07.20.500902; its alphabet has 33 letters."""
    return {
        "vocabulary_size": 33,
        "num_layers": layers,
        "num_heads": 20,
        "hidden_dim": width,
        "intermediate_dim": 4 * width,
    }


PROTEINS = {
    "esm2_t6_8m.uniref50": _esm2(6, 320),
    "esm2_t12_35m.uniref50": _esm2(12, 480),
    "esm2_t30_150m.uniref50": _esm2(30, 640),
    "esm2_t33_650m.uniref50": _esm2(33, 1280),
}
