"""Encoder blocks of BERT and FNet as ONNX nodes; `encoder_deberta` and `encoder_t5` have the other families'.

Shapes: n texts, t tokens, d channels, h heads of s channels each. Attention is written as single operators: ONNX
Runtime's MultiHeadAttention and SkipLayerNormalization are slower on its CPU provider than what it fuses from these.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx

from graft.errors import TrunkError
from zoo.convert.onnx_graph.encoder_layers import (
    dense,
    flatten_tokens,
    gemm,
    layer_norm,
    sequence_length,
    unflatten_tokens,
    weight_array,
)
from zoo.convert.onnx_graph.graph_builder import GraphBuilder


def transformer_encoder(graph: GraphBuilder, layer: Any, tokens: str, padding_mask: str) -> str:  # noqa: ANN401 - Keras has no types
    """Write one block of BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805): [n,t,d], int32 [n,t] -> [n,t,d].

    Raises:
        TrunkError: the block normalizes before attention, which no encoder of the catalog does.
    """
    if layer.normalize_first:
        raise TrunkError(f"{layer.name} normalizes before attention, which cannot be converted to ONNX.")
    attention = layer._self_attention_layer
    rows = flatten_tokens(graph, tokens, attention._output_dense.kernel.shape[-1])
    query = project_heads(graph, attention._query_dense, rows, tokens, attention._inverse_sqrt_key_dim)
    key = project_heads(graph, attention._key_dense, rows, tokens)
    scores = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 1, 3, 2]))
    context = masked_attention(graph, scores, project_heads(graph, attention._value_dense, rows, tokens), padding_mask)
    return attention_output_and_feedforward(graph, layer, context, rows, tokens)


def fnet_encoder(graph: GraphBuilder, layer: Any, tokens: str) -> str:  # noqa: ANN401
    """Write one block of FNet (Lee-Thorp et al. 2021, https://arxiv.org/abs/2105.03824): [n,t,d] -> [n,t,d].

    The real part of the Fourier transform over tokens and channels is C_t x C_d - S_t x S_d, where C and S
    hold cosines and sines.
    """
    width = layer._output_dense.kernel.shape[-1]
    turns = np.outer(np.arange(width), np.arange(width)) % width * (2 * np.pi / width)
    angles = _fourier_angles(graph, tokens)
    cosines, sines = (
        graph.node("MatMul", graph.node(op, angles), graph.node("MatMul", tokens, graph.constant(over_channels)))
        for op, over_channels in (("Cos", np.cos(turns).astype(np.float32)), ("Sin", np.sin(turns).astype(np.float32)))
    )
    residual = graph.node("Add", tokens, graph.node("Sub", cosines, sines))
    rows = flatten_tokens(graph, layer_norm(graph, layer._mixing_layer_norm, residual), width)
    outer = dense(graph, layer._output_dense, dense(graph, layer._intermediate_dense, rows))
    return unflatten_tokens(graph, layer_norm(graph, layer._output_layer_norm, graph.node("Add", outer, rows)), tokens)


def project_heads(graph: GraphBuilder, projection: Any, rows: str, tokens: str, scale: float = 1.0) -> str:  # noqa: ANN401
    """Write the scaled projection of rows to heads: [n*t,d] -> [n,h,t,s]; n and t are those of `tokens`."""
    kernel, bias = weight_array(projection.kernel), weight_array(projection.bias)
    factor = np.float32(scale)
    projection_rows = gemm(graph, rows, kernel.reshape(len(kernel), -1) * factor, bias.reshape(-1) * factor)
    return graph.node("Transpose", unflatten_tokens(graph, projection_rows, tokens, *bias.shape), perm=[0, 2, 1, 3])


def masked_attention(graph: GraphBuilder, scores: str, value: str, padding_mask: str) -> str:
    """Write masked softmax(scores) @ value: [n,h,t,t], [n,h,t,s], int32 [n,t] -> [n,t,h,s]."""
    mask_bias = graph.node("Unsqueeze", additive_mask(graph, padding_mask), graph.int64(1, 2))
    return softmax_attention(graph, graph.node("Add", scores, mask_bias), value)


def additive_mask(graph: GraphBuilder, mask: str) -> str:
    """Write the additive mask, int32 [n,t] -> float32 [n,t]: 0 for tokens, -1e9 for padding, as in Keras."""
    counts = graph.node("Cast", mask, to=onnx.TensorProto.FLOAT)
    return graph.node("Mul", graph.node("Sub", counts, graph.float32(1)), graph.float32(1e9))


def softmax_attention(graph: GraphBuilder, scores: str, value: str) -> str:
    """Write softmax(scores) @ value: [n,h,t,t], [n,h,t,s] -> [n,t,h,s]."""
    context = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
    return graph.node("Transpose", context, perm=[0, 2, 1, 3])


def attention_output_and_feedforward(graph: GraphBuilder, layer: Any, context: str, rows: str, tokens: str) -> str:  # noqa: ANN401
    """Write the rest of a block after attention: projection, residual, norm, two dense layers, residual, norm.

    [n,t,h,s], [n*t,d] -> [n,t,d]; n and t are those of `tokens`.
    """
    output = layer._self_attention_layer._output_dense
    bias = weight_array(output.bias)
    kernel = weight_array(output.kernel).reshape(-1, len(bias))
    projection_rows = gemm(graph, flatten_tokens(graph, context, len(kernel)), kernel, bias)
    rows = layer_norm(graph, layer._self_attention_layer_norm, graph.node("Add", projection_rows, rows))
    inner = dense(graph, layer._feedforward_intermediate_dense, rows)
    outer = dense(graph, layer._feedforward_output_dense, inner)
    return unflatten_tokens(
        graph, layer_norm(graph, layer._feedforward_layer_norm, graph.node("Add", outer, rows)), tokens
    )


def _fourier_angles(graph: GraphBuilder, tokens: str) -> str:
    """Write 2 pi (i*j mod t) / t for tokens i and j, float32 [t,t]; the modulo first, for precision."""
    count = graph.node("Squeeze", sequence_length(graph, tokens))
    zero, one = (graph.constant(np.array(number, np.int64)) for number in (0, 1))
    places = graph.node("Range", zero, count, one)
    products = graph.node("Mul", places, graph.node("Unsqueeze", places, graph.int64(1)))
    turns = graph.node("Mod", products, count)
    share = graph.node("Div", *(graph.node("Cast", part, to=onnx.TensorProto.FLOAT) for part in (turns, count)))
    return graph.node("Mul", share, graph.float32(2 * math.pi))
