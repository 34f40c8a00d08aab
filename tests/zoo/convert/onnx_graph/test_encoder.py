"""Text encoders as ONNX graphs: every family of KerasHub, tiny and random, against Keras."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

import keras
import numpy as np
import onnxruntime
import pytest

from graft.errors import ParityError, TrunkError
from graft.runtime.session import open_session
from tests.support.paths import REPOSITORY
from tests.support.presets.tiny_text_encoders import (
    FAMILIES,
    MAX_TOKENS,
    VOCABULARY_SIZE,
    WITH_POOLER,
    tiny_text_encoder,
)
from zoo.catalog.backbone import Pooling
from zoo.convert.int8_text import quantize_dense_layers
from zoo.convert.networks.text import add_pooling
from zoo.convert.onnx_graph.canonical import serialize_onnx
from zoo.convert.onnx_graph.encoder import text_encoder_to_onnx
from zoo.convert.onnx_graph.encoder_deberta import log_distance_buckets
from zoo.convert.onnx_graph.encoder_t5 import transformer_layer
from zoo.convert.onnx_graph.graph_builder import GraphBuilder
from zoo.convert.parity import TokenRunner, check_text_parity

# TensorFlow's tensors and Keras' reading of them do not agree with NumPy 2 yet.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Layer '(self|cross)_attention' .of type T5:UserWarning"),
]


def runtime(session: onnxruntime.InferenceSession) -> TokenRunner:
    return lambda batch: session.run(None, batch)[0]


@pytest.mark.filterwarnings("ignore:You are using a softmax")
@pytest.mark.parametrize("family", FAMILIES)
def test_encoder_onnx_equals_keras_for_every_family(family: str) -> None:
    tiny = tiny_text_encoder(family)
    for pooling in Pooling if family in WITH_POOLER else (Pooling.MEAN, Pooling.CLS):
        model = add_pooling(tiny, pooling)
        session = open_session(serialize_onnx(text_encoder_to_onnx(model)))
        parity = check_text_parity(model, runtime(session), VOCABULARY_SIZE, MAX_TOKENS)
        assert parity.off <= 1e-5 * parity.largest
        assert parity.pictures == 8 * 3
        assert {tensor.name: tensor.type for tensor in session.get_inputs()} == dict.fromkeys(
            [tensor.name for tensor in model.inputs], "tensor(int32)"
        )
        assert session.get_outputs()[0].shape == ["n", 32]


def test_encoder_without_a_pooler_is_refused() -> None:
    with pytest.raises(TrunkError, match="without a pooler"):
        add_pooling(tiny_text_encoder("Roberta"), Pooling.POOLER)


def test_parity_refuses_another_encoder() -> None:
    one, other = (add_pooling(tiny_text_encoder(family), Pooling.MEAN) for family in ("DistilBert", "Roberta"))
    other.get_layer("embeddings_layer_norm").gamma.assign(np.full(32, 2.0))
    with pytest.raises(ParityError, match=r"parity check failed: the features of .* in ONNX Runtime and Keras differ"):
        check_text_parity(
            one, runtime(open_session(serialize_onnx(text_encoder_to_onnx(other)))), VOCABULARY_SIZE, MAX_TOKENS
        )


def test_parity_refuses_nan_weights() -> None:
    model = add_pooling(tiny_text_encoder("DistilBert"), Pooling.CLS)
    session = open_session(serialize_onnx(text_encoder_to_onnx(model)))
    model.get_layer("embeddings_layer_norm").beta.assign(np.full(32, np.nan))
    with pytest.raises(ParityError):
        check_text_parity(model, runtime(session), VOCABULARY_SIZE, MAX_TOKENS)


def test_encoder_onnx_uses_fused_operators() -> None:
    nodes = Counter(
        node.op_type for node in text_encoder_to_onnx(add_pooling(tiny_text_encoder("Bert"), Pooling.MEAN)).graph.node
    )
    assert nodes["LayerNormalization"] == 1 + 2 * 2
    assert nodes["Gelu"] == nodes["Softmax"] == 2
    assert nodes["Gemm"] == 2 * 6
    assert nodes["Cast"] == 1  # the mask, shared by both blocks and the mean


def test_encoder_onnx_stores_shared_weights_once() -> None:
    graph = text_encoder_to_onnx(
        add_pooling(tiny_text_encoder("Albert"), Pooling.CLS)
    ).graph  # both its blocks are one layer
    kernels = [tensor for tensor in graph.initializer if list(tensor.dims) == [32, 64]]
    assert len(kernels) == 1


BUILD = """
import hashlib
from tests.support.presets.tiny_text_encoders import tiny_text_encoder
from zoo.catalog.backbone import Pooling
from zoo.convert.int8_text import quantize_dense_layers
from zoo.convert.networks.text import add_pooling
from zoo.convert.onnx_graph.canonical import serialize_onnx
from zoo.convert.onnx_graph.encoder import text_encoder_to_onnx
model = text_encoder_to_onnx(add_pooling(tiny_text_encoder("DebertaV3"), Pooling.MEAN))
print(*(hashlib.sha256(serialize_onnx(m)).hexdigest() for m in (model, quantize_dense_layers(model))))
"""


def test_encoder_onnx_is_deterministic_across_processes() -> None:
    model = text_encoder_to_onnx(add_pooling(tiny_text_encoder("DebertaV3"), Pooling.MEAN))
    here = [hashlib.sha256(serialize_onnx(m)).hexdigest() for m in (model, quantize_dense_layers(model))]
    root = REPOSITORY
    child = subprocess.run([sys.executable, "-c", BUILD], capture_output=True, text=True, check=True, cwd=root)
    assert child.stdout.split() == here


@pytest.mark.parametrize(("bucket", "max_positions"), [(8, 40), (256, 512)])
def test_encoder_deberta_position_buckets_equal_keras(bucket: int, max_positions: int) -> None:
    from keras_hub.src.models.deberta_v3.disentangled_self_attention import DisentangledSelfAttention

    attention = DisentangledSelfAttention(4, 32, max_position_embeddings=max_positions, bucket_size=bucket)
    theirs = keras.ops.convert_to_numpy(attention._get_rel_pos(max_positions))[0, 0]  # [i,j], of the distance i-j
    ours = log_distance_buckets(attention)
    places = np.arange(max_positions)
    np.testing.assert_array_equal(theirs, ours[max_positions - (places[:, None] - places)])


def test_encoder_t5_long_relative_positions_equal_keras() -> None:
    model = add_pooling(tiny_text_encoder("T5"), Pooling.MEAN)
    session = open_session(serialize_onnx(text_encoder_to_onnx(model)))
    parity = check_text_parity(model, runtime(session), VOCABULARY_SIZE, 300)  # beyond 128 they are all one
    assert parity.off <= 1e-5 * parity.largest


def test_encoder_t5_keeps_only_the_encoders_token_table() -> None:
    both = tiny_text_encoder("T5")
    model = add_pooling(both, Pooling.MEAN)
    assert {tensor.name for tensor in model.inputs} == {"token_ids", "padding_mask"}
    assert not any("reverse" in weight.path or "decoder" in weight.path for weight in model.weights)
    (table,) = (weight for weight in model.weights if weight.path == "token_embedding/embeddings")
    np.testing.assert_array_equal(table, both.token_embedding.embeddings)
    assert {weight.path for weight in model.weights} == {
        weight.path for weight in add_pooling(tiny_text_encoder("T5"), Pooling.MEAN).weights
    }


def test_encoder_refuses_decoder_layers() -> None:
    (decoder, *_) = tiny_text_encoder("T5").decoder_transformer_layers
    with pytest.raises(TrunkError, match="belongs to a decoder"):
        transformer_layer(GraphBuilder(), decoder, "tokens", "mask")


def test_encoder_unsupported_layer_is_named() -> None:
    tokens = keras.Input((None,), dtype="int32", name="token_ids")
    embedded = keras.layers.Embedding(5, 4)(tokens)
    with pytest.raises(TrunkError, match="is a GlobalMaxPooling1D"):
        text_encoder_to_onnx(keras.Model(tokens, keras.layers.GlobalMaxPooling1D()(embedded)))
    with pytest.raises(TrunkError, match="activation silu"):
        text_encoder_to_onnx(keras.Model(tokens, keras.layers.Dense(4, activation="silu")(embedded)))
    with pytest.raises(TrunkError, match="only the first token"):
        text_encoder_to_onnx(keras.Model(tokens, embedded[:, 1, :]))
    with pytest.raises(TrunkError, match="not a plain layer normalization"):
        text_encoder_to_onnx(keras.Model(tokens, keras.layers.LayerNormalization(scale=False)(embedded)))
    other = keras.Input((None,), dtype="int32", name="words")
    with pytest.raises(TrunkError, match="takes words"):
        text_encoder_to_onnx(keras.Model(other, keras.layers.Embedding(5, 4)(other)))


def test_graph_builder_merges_equal_nodes_and_constants() -> None:
    graph = GraphBuilder()
    twice = [graph.node("Add", graph.float32(1), graph.constant(np.array(2, np.float32))) for _ in range(2)]
    assert twice[0] == twice[1]
