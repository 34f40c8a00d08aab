"""Encoder block of T5 as ONNX nodes: RMS norm before each sub-layer, attention with a relative position bias.

Raffel et al. 2019, https://arxiv.org/abs/1910.10683. Shapes: n texts, t tokens, d channels, h heads of s channels
each.
"""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from graft.errors import TrunkError
from zoo.convert.onnx_graph.encoder_bert import additive_mask, softmax_attention
from zoo.convert.onnx_graph.encoder_layers import dense, flatten_tokens, sequence_length, unflatten_tokens, weight_array
from zoo.convert.onnx_graph.graph_builder import GraphBuilder

_QUERY_AXES: Final = [0, 2, 1, 3]  # [n,t,h,s] -> [n,h,t,s]
_KEY_AXES: Final = [0, 2, 3, 1]  # [n,t,h,s] -> [n,h,s,t]


def transformer_layer(
    graph: GraphBuilder,
    layer: Any,  # noqa: ANN401 - Keras has no types
    tokens: str,
    attention_mask: str,
    position_bias: str | None = None,
    *,
    use_causal_mask: bool = False,
) -> tuple[str, str]:
    """Write one block: [n,t,d], int32 [n,1,t] -> [n,t,d], and the bias of its attention scores, [n,h,t,t].

    The first block of an encoder writes that bias; the others take it as `position_bias`.

    Raises:
        TrunkError: the block belongs to a decoder.
    """
    if layer.is_decoder or use_causal_mask:
        raise TrunkError(f"{layer.name} belongs to a decoder; only encoders can be converted to ONNX.")
    attention = layer.self_attention
    width = attention.hidden_dim
    bias = position_bias or _relative_position_bias(graph, attention, tokens, attention_mask)
    rows = flatten_tokens(graph, tokens, width)
    unit_rows = rms_norm(graph, layer.self_attention_layer_norm, rows)
    query, key, value = (
        _project_heads(graph, attention, projection, unit_rows, tokens, order)
        for projection, order in (
            (attention.query_projector, _QUERY_AXES),
            (attention.key_projector, _KEY_AXES),
            (attention.value_projector, _QUERY_AXES),
        )
    )
    # No scaling by the root of s: T5's weights include it.
    context = softmax_attention(graph, graph.node("Add", graph.node("MatMul", query, key), bias), value)
    attention_rows = dense(graph, attention.output_projector, flatten_tokens(graph, context, attention.inner_dim))
    rows = graph.node("Add", attention_rows, rows)
    outer = dense(
        graph, layer.output_projector, _gated_feedforward(graph, layer, rms_norm(graph, layer.layer_norm, rows))
    )
    return unflatten_tokens(graph, graph.node("Add", outer, rows), tokens), bias


def rms_norm(graph: GraphBuilder, layer: Any, tokens: str) -> str:  # noqa: ANN401
    """Write root mean square (RMS) normalization over the channels: [...,d] -> [...,d].

    Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467. ONNX Runtime fuses these nodes.
    """
    squares = graph.node("ReduceMean", graph.node("Pow", tokens, graph.float32(2)), graph.int64(-1))
    root = graph.node("Sqrt", graph.node("Add", squares, graph.float32(layer.epsilon)))
    return graph.node("Mul", graph.node("Div", tokens, root), graph.constant(weight_array(layer.weight)))


def relative_position_buckets(attention: Any) -> NDArray[np.int32]:  # noqa: ANN401
    """Return the bucket of each distance from -m to m, int32 [2m+1], as in Keras; larger ones share the last bucket."""
    max_distance = attention.relative_attention_max_distance
    return np.array(
        attention._relative_position_bucket(
            keras.ops.arange(-max_distance, max_distance + 1),
            bidirectional=True,
            num_buckets=attention.relative_attention_buckets,
            max_distance=max_distance,
        ),
        np.int32,
    )


def _relative_position_bias(graph: GraphBuilder, attention: Any, tokens: str, mask: str) -> str:  # noqa: ANN401
    """Write the relative position bias of attention scores, plus -1e9 for padding: [n,h,t,t]."""
    buckets = relative_position_buckets(attention)
    middle = len(buckets) // 2
    table = np.ascontiguousarray(weight_array(attention.relative_attention_bias)[buckets].T)  # [h,2m+1]
    count = graph.node("Squeeze", sequence_length(graph, tokens))
    zero, one = (graph.constant(np.array(number, np.int64)) for number in (0, 1))
    places = graph.node("Range", zero, count, one)
    distances = graph.node("Sub", places, graph.node("Unsqueeze", places, graph.int64(1)))  # key minus query: j - i
    ends = (graph.constant(np.array(end, np.int64)) for end in (-middle, middle))
    rows = graph.node("Add", graph.node("Clip", distances, *ends), graph.constant(np.array(middle, np.int64)))
    by_distance = graph.node("Gather", graph.constant(table), rows, axis=1)
    return graph.node("Add", by_distance, graph.node("Unsqueeze", additive_mask(graph, mask), graph.int64(1)))


def _project_heads(
    graph: GraphBuilder,
    attention: Any,  # noqa: ANN401
    projection: Any,  # noqa: ANN401
    rows: str,
    tokens: str,
    axes: list[int],
) -> str:
    """Write the projection of rows to heads, [n*t,d] -> [n,t,h,s], transposed by `axes`; n and t as in `tokens`."""
    shape = attention.num_heads, attention.key_value_dim
    return graph.node("Transpose", unflatten_tokens(graph, dense(graph, projection, rows), tokens, *shape), perm=axes)


def _gated_feedforward(graph: GraphBuilder, layer: Any, rows: str) -> str:  # noqa: ANN401
    """Write the inner feed-forward layer, gated since version 1.1 (Shazeer 2020, arXiv:2002.05202): [m,d] -> [m,k]."""
    inner = dense(graph, layer.input_projector, rows)
    return graph.node("Mul", inner, dense(graph, layer.gate_projector, rows)) if layer.use_gated_activation else inner
