"""int8 by rows: near fp32, and blind to a text's neighbours."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from graft.runtime.session import open_session
from tests.support.presets.tiny_text_encoders import MAX_TOKENS, VOCABULARY_SIZE, tiny_text_encoder
from zoo.catalog.backbone import Pooling
from zoo.convert.int8_text import quantize_dense_layers
from zoo.convert.networks.text import add_pooling
from zoo.convert.onnx_graph.canonical import serialize_onnx
from zoo.convert.onnx_graph.encoder import text_encoder_to_onnx
from zoo.convert.onnx_graph.graph_builder import GraphBuilder
from zoo.convert.parity import parity_token_batches

# TensorFlow's tensors and Keras' reading of them do not agree with NumPy 2 yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.filterwarnings("ignore:Layer '(self|cross)_attention' .of type T5:UserWarning")
@pytest.mark.parametrize(("family", "min_cosine"), [("Bert", 0.99), ("T5", 0.98)])  # with biases, and without
def test_int8_text_does_not_depend_on_batch_neighbours(family: str, min_cosine: float) -> None:
    model = text_encoder_to_onnx(add_pooling(tiny_text_encoder(family), Pooling.MEAN))
    fp32, int8 = open_session(serialize_onnx(model)), open_session(serialize_onnx(quantize_dense_layers(model)))
    names = [tensor.name for tensor in fp32.get_inputs()]
    for batch in parity_token_batches(names, VOCABULARY_SIZE, MAX_TOKENS):
        together = int8.run(None, batch)[0]
        lengths = batch["padding_mask"].sum(axis=1)
        alone = np.concatenate(
            [
                int8.run(None, {name: ids[at : at + 1, :length] for name, ids in batch.items()})[0]
                for at, length in enumerate(lengths)
            ]
        )
        assert cosine(alone, together).min() >= 0.9999
        assert cosine(fp32.run(None, batch)[0], together).min() >= min_cosine


def test_int8_text_quantizes_each_row_by_itself() -> None:
    graph = GraphBuilder()
    random = np.random.default_rng(0)
    kernel, bias = random.normal(size=(16, 8)).astype(np.float32), random.normal(size=8).astype(np.float32)
    rows = graph.node("Cast", "token_ids", to=onnx.TensorProto.FLOAT)
    rows = graph.node("Reshape", rows, graph.int64(-1, 16))
    product = graph.node("Gemm", rows, graph.constant(kernel), graph.constant(bias))
    model = quantize_dense_layers(graph.to_model({"token_ids": onnx.TensorProto.INT32}, product, 8))
    small = random.integers(-9, 10, 16)
    ids = np.stack([small, small * 0, small * 1_000_000]).astype(np.int32)
    answer = open_session(serialize_onnx(model)).run(None, {"token_ids": ids})[0]
    np.testing.assert_array_equal(answer[1], bias)  # a row of zeros
    exact = small @ kernel + bias
    np.testing.assert_allclose(answer[0], exact, atol=0.03 * np.abs(exact).max())  # beside one a million times larger


def test_int8_text_keeps_the_signature_and_its_source_model() -> None:
    model = text_encoder_to_onnx(add_pooling(tiny_text_encoder("FNet"), Pooling.MEAN))
    before = serialize_onnx(model)
    int8 = quantize_dense_layers(model)
    assert serialize_onnx(model) == before
    assert int8.graph.input == model.graph.input
    assert int8.graph.output == model.graph.output
    kernels = {tensor.data_type for tensor in int8.graph.initializer if list(tensor.dims) == [32, 64]}
    assert kernels == {onnx.TensorProto.INT8}


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
