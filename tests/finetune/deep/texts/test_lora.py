"""LoRA: which projections it updates, that it starts at zero, and that merging it changes no output."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from finetune.deep.texts.encoder import enable_lora, merge_lora_weights
from graft.errors import RecipeError
from tests.support.presets.tiny_text_encoders import FAMILIES, MAX_TOKENS, VOCABULARY_SIZE, tiny_text_encoder
from zoo.convert.networks.text import Pooling, add_pooling
from zoo.convert.parity import parity_token_batches

# TensorFlow's tensors and Keras' reading of them do not agree with NumPy 2 yet.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are using a softmax"),
    pytest.mark.filterwarnings("ignore:Layer '(self|cross)_attention' .of type T5:UserWarning"),
]


def outputs(model: keras.Model) -> np.ndarray:
    batches = parity_token_batches([tensor.name for tensor in model.inputs], VOCABULARY_SIZE, MAX_TOKENS)
    return np.concatenate([keras.ops.convert_to_numpy(model(batch, training=False)) for batch in batches])


QUICK = {"Albert", "Bert", "DebertaV3"}  # one layer run twice; the common one; queries and keys that are shared


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=() if family in QUICK else pytest.mark.slow)
        for family in sorted(FAMILIES.keys() - {"FNet"})
    ],
)
def test_lora_merged_weights_answer_like_the_trained_network(family: str) -> None:
    model = add_pooling(tiny_text_encoder(family), Pooling.MEAN)
    before = outputs(model)
    enable_lora(model, rank=4)
    np.testing.assert_allclose(outputs(model), before, atol=1e-6)
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign_add(random.normal(0, 0.2, variable.shape))
    trained = outputs(model)
    assert np.abs(trained - before).max() > 0.01
    merged = merge_lora_weights(model)
    fresh = add_pooling(tiny_text_encoder(family), Pooling.MEAN)
    assert {weight.path for weight in fresh.weights} == merged.keys()
    for weight in fresh.weights:
        weight.assign(merged[weight.path])
    np.testing.assert_allclose(outputs(fresh), trained, atol=1e-6 * np.abs(trained).max())


def test_lora_trains_only_query_and_value_projections() -> None:
    model = add_pooling(tiny_text_encoder("Bert"), Pooling.MEAN)
    enable_lora(model, rank=4)
    names = {tuple(variable.path.split("/")[-2:]) for variable in model.trainable_variables}
    parts = ("bias", "lora_kernel_a", "lora_kernel_b")
    assert names == {(projection, part) for projection in ("query", "value") for part in parts}
    kernels = [variable for variable in model.trainable_variables if "lora_kernel" in variable.path]
    assert len(kernels) == 2 * 2 * 2
    assert {4} == {min(variable.shape) for variable in kernels}


def test_lora_refuses_an_encoder_without_attention() -> None:
    with pytest.raises(RecipeError, match="no attention to update"):
        enable_lora(add_pooling(tiny_text_encoder("FNet"), Pooling.CLS), rank=2)
