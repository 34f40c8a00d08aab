"""KerasHub's text encoders, tiny and with random weights."""

from __future__ import annotations

import keras
import keras_hub
import numpy as np

VOCABULARY_SIZE, MAX_TOKENS = 100, 40
SIZES = {"num_layers": 2, "hidden_dim": 32, "intermediate_dim": 64, "max_sequence_length": MAX_TOKENS}
_DISTANCES = {"num_heads": 4, "key_value_dim": 16, "dropout": 0.0}  # T5 knows no longest text
FAMILIES = {
    "Albert": {"num_heads": 4, "embedding_dim": 16},
    "Bart": {"num_heads": 4},
    "Bert": {"num_heads": 4},
    "DebertaV3": {"num_heads": 4, "bucket_size": 8},
    "DistilBert": {"num_heads": 4},
    "Electra": {"num_heads": 4, "embedding_dim": 16},
    "FNet": {},
    "Roberta": {"num_heads": 4},
    "T5": {**_DISTANCES, "activation": "gelu", "use_gated_activation": True, "tie_embedding_weights": False},
    "T5 v1": {**_DISTANCES, "activation": "relu", "use_gated_activation": False},
    "XLMRoberta": {"num_heads": 4},
}
WITH_POOLER = {"Albert", "Bert", "Electra", "FNet"}


def tiny_text_encoder(family: str, vocabulary: int = VOCABULARY_SIZE, **sizes: int) -> keras.Model:
    """A tiny encoder whose every weight is random, biases and norms too; `sizes` are other than SIZES."""
    words = {"vocab_size" if family == "Electra" else "vocabulary_size": vocabulary}
    arguments = {**words, **SIZES, **FAMILIES[family], **sizes}
    if family.startswith("T5"):
        del arguments["max_sequence_length"]
    model = getattr(keras_hub.models, f"{family.split()[0]}Backbone")(**arguments)
    spread = 0.3 * (SIZES["hidden_dim"] / sizes.get("hidden_dim", SIZES["hidden_dim"])) ** 0.5
    random = np.random.default_rng(0)
    for weight in model.weights:
        is_scale = weight.path.endswith(("gamma", "/weight"))
        # T5 does not divide its scores by the root of their width; its queries are that much smaller.
        narrow = arguments["key_value_dim"] ** -0.5 if weight.path.endswith("query_projector/kernel") else 1
        weight.assign(random.normal(1 if is_scale else 0, narrow * spread, weight.shape))
    return model
