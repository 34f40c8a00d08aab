"""Single Keras layers as ONNX nodes: embeddings, norms, dense layers, activations, pooling.

Each function adds one layer's nodes to a graph and returns the name of its output. Arrays are float32 where no dtype is
given. Shapes: n texts, t tokens, d channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import keras
import numpy as np
import onnx
from numpy.typing import NDArray

from graft.errors import TrunkError
from zoo.convert.onnx_graph.graph_builder import GraphBuilder

# Activation of Keras -> ONNX's operator and its attributes.
_ACTIVATIONS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "gelu": ("Gelu", {"approximate": "none"}),
    "gelu_approximate": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
}


def weight_array(weight: Any) -> NDArray[np.float32]:  # noqa: ANN401 - a variable or tensor of Keras
    """Return a weight as a contiguous float32 array of its own shape."""
    return np.ascontiguousarray(keras.ops.convert_to_numpy(weight), np.float32)


def embedding(graph: GraphBuilder, layer: Any, ids: str) -> str:  # noqa: ANN401 - Keras has no types
    """Write an embedding lookup: int32 [n,t] -> [n,t,d]."""
    return graph.node("Gather", graph.constant(weight_array(layer.embeddings)), ids)


def position_embedding(graph: GraphBuilder, layer: Any, tokens: str) -> str:  # noqa: ANN401
    """Write the first t position embeddings: [n,t,d] -> [t,d]. Running the graph fails with more tokens than rows."""
    table = graph.constant(weight_array(layer.position_embeddings))
    return graph.node("Slice", table, graph.int64(0), sequence_length(graph, tokens), graph.int64(0))


def token_and_position_embedding(graph: GraphBuilder, layer: Any, ids: str) -> str:  # noqa: ANN401
    """Write the sum of token and position embeddings: int32 [n,t] -> [n,t,d]."""
    tokens = embedding(graph, layer.token_embedding, ids)
    return graph.node("Add", tokens, position_embedding(graph, layer.position_embedding, tokens))


def add_terms(graph: GraphBuilder, _: Any, terms: Sequence[str]) -> str:  # noqa: ANN401
    """Write the sum of several values of one shape."""
    total, *rest = terms
    for term in rest:
        total = graph.node("Add", total, term)
    return total


def identity(_: GraphBuilder, __: Any, tokens: str) -> str:  # noqa: ANN401
    """Write nothing: dropout is the identity outside training."""
    return tokens


def layer_norm(graph: GraphBuilder, layer: Any, tokens: str) -> str:  # noqa: ANN401
    """Write layer normalization over the channels: [...,d] -> [...,d].

    Ba et al. 2016, https://arxiv.org/abs/1607.06450.

    Raises:
        TrunkError: the layer differs from ONNX's operator: another axis, no scale or shift, or RMS scaling.
    """
    plain = layer.axis in (-1, [-1], 2, [2]) and layer.gamma is not None and layer.beta is not None
    if not plain or layer.rms_scaling:
        raise TrunkError(
            f"{layer.path} is not a plain layer normalization over the last axis; it cannot be converted to ONNX."
        )
    scale, shift = graph.constant(weight_array(layer.gamma)), graph.constant(weight_array(layer.beta))
    return graph.node("LayerNormalization", tokens, scale, shift, axis=-1, epsilon=float(layer.epsilon))


def dense(graph: GraphBuilder, layer: Any, rows: str) -> str:  # noqa: ANN401
    """Write a dense layer with its activation, with or without a bias: [n,k] -> [n,m]."""
    bias = None if layer.bias is None else weight_array(layer.bias)
    return activation(graph, layer.activation, gemm(graph, rows, weight_array(layer.kernel), bias))


def dense_on_tokens(graph: GraphBuilder, layer: Any, tokens: str) -> str:  # noqa: ANN401
    """Write a dense layer of any input: [n,k] -> [n,m] or [n,t,k] -> [n,t,m]."""
    if len(layer.input.shape) == 2:
        return dense(graph, layer, tokens)
    return unflatten_tokens(graph, dense(graph, layer, flatten_tokens(graph, tokens, layer.kernel.shape[0])), tokens)


def gemm(graph: GraphBuilder, rows: str, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None) -> str:
    """Write rows @ kernel + bias: [n,k], [k,m], [m] -> [n,m].

    On matrices ONNX Runtime runs one Gemm with the bias: measured a sixth faster for a whole MiniLM than MatMul and Add
    on [n,t,k].
    """
    return graph.node("Gemm", rows, graph.constant(kernel), *(() if bias is None else [graph.constant(bias)]))


def activation(graph: GraphBuilder, function: Any, values: str) -> str:  # noqa: ANN401 - a function of Keras
    """Write an elementwise activation function.

    Raises:
        TrunkError: the function is not supported.
    """
    name = function.__name__
    if name == "linear":
        return values
    if name not in _ACTIVATIONS:
        supported = ", ".join([*_ACTIVATIONS, "linear"])
        raise TrunkError(f"the activation {name} cannot be converted to ONNX. Supported activations: {supported}.")
    op, attributes = _ACTIVATIONS[name]
    return graph.node(op, values, **attributes)


def flatten_tokens(graph: GraphBuilder, tokens: str, width: int) -> str:
    """Write a reshape of all tokens of all texts to rows: [n,t,...] -> [n*t,width]."""
    return graph.node("Reshape", tokens, graph.int64(-1, width))


def unflatten_tokens(graph: GraphBuilder, rows: str, tokens: str, *shape: int) -> str:
    """Write the inverse reshape, with n and t of `tokens`: [n*t,d] -> [n,t,*shape]; [n,t,d] without a shape."""
    texts = graph.node("Shape", tokens, end=2)
    return graph.node("Reshape", rows, graph.node("Concat", texts, graph.int64(*(shape or (-1,))), axis=0))


def sequence_length(graph: GraphBuilder, tokens: str) -> str:
    """Write the number of tokens, int64 [1], of [n,t,...]."""
    return graph.node("Shape", tokens, start=1, end=2)


def mean_over_mask(graph: GraphBuilder, _: Any, tokens: str, padding_mask: str) -> str:  # noqa: ANN401
    """Write mean pooling over the tokens that the mask includes: [n,t,d], int32 [n,t] -> [n,d]."""
    counts = graph.node("Cast", padding_mask, to=onnx.TensorProto.FLOAT)
    # [n,1,t] @ [n,t,d]: the product reads the tokens once and needs no temporary of their size.
    total = graph.node("MatMul", graph.node("Unsqueeze", counts, graph.int64(1)), tokens)
    divisor = graph.node("Max", graph.node("ReduceSum", counts, graph.int64(1)), graph.float32(1))
    return graph.node("Div", graph.node("Squeeze", total, graph.int64(1)), divisor)


def first_token(graph: GraphBuilder, _: Any, tokens: str) -> str:  # noqa: ANN401
    """Write the first token's vector: [n,t,d] -> [n,d]."""
    return graph.node("Gather", tokens, graph.constant(np.array(0, np.int64)), axis=1)


def get_item(graph: GraphBuilder, layer: Any, values: str, key: Any) -> str:  # noqa: ANN401
    """Write Keras' x[:, 0, :], the first token's vector, or x[:, None, :], a mask for all queries: [n,t] -> [n,1,t].

    Raises:
        TrunkError: `key` is another index.
    """
    everything = slice(None)
    if tuple(key) == (everything, 0, everything):
        return first_token(graph, layer, values)
    if tuple(key) == (everything, None, everything):
        return graph.node("Unsqueeze", values, graph.int64(1))
    raise TrunkError(f"{layer.name} indexes {key}; only the first token, [:, 0, :], can be converted to ONNX.")
