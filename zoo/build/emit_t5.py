"""T5's encoder block as ONNX nodes: norms of scale alone before each part, attention that adds a bias by distance.

Raffel et al. 2019, https://arxiv.org/abs/1910.10683. Shapes: n texts, t tokens, d channels, h heads of s channels
each.
"""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.build.emit_blocks import barred, weighted
from zoo.build.emit_parts import array, dense, flattened, length, unflattened
from zoo.build.graph import Graph
from zoo.errors import TrunkError

_QUERY: Final = [0, 2, 1, 3]  # [n,t,h,s] -> [n,h,t,s]
_KEY: Final = [0, 2, 3, 1]  # [n,t,h,s] -> [n,h,s,t]


def transformer_layer(
    graph: Graph,
    layer: Any,  # noqa: ANN401 - Keras has no types
    tokens: str,
    attention_mask: str,
    position_bias: str | None = None,
    *,
    use_causal_mask: bool = False,
) -> tuple[str, str]:
    """Write one block: [n,t,d], int32 [n,1,t] -> [n,t,d], and what is added to all scores, [n,h,t,t].

    That is written by the first block of an encoder, and taken by the others as `position_bias`.

    Raises:
        TrunkError: it belongs to a decoder.
    """
    if layer.is_decoder or use_causal_mask:
        raise TrunkError(f"{layer.name} belongs to a decoder; only an encoder can be written as ONNX here.")
    attention = layer.self_attention
    width = attention.hidden_dim
    bias = position_bias or _bias(graph, attention, tokens, attention_mask)
    rows = flattened(graph, tokens, width)
    normed = rms_norm(graph, layer.self_attention_layer_norm, rows)
    query, key, value = (
        _heads(graph, attention, projection, normed, tokens, order)
        for projection, order in (
            (attention.query_projector, _QUERY),
            (attention.key_projector, _KEY),
            (attention.value_projector, _QUERY),
        )
    )
    # No scaling by the root of s: the weights have it from the start.
    context = weighted(graph, graph.node("Add", graph.node("MatMul", query, key), bias), value)
    attended = dense(graph, attention.output_projector, flattened(graph, context, attention.inner_dim))
    rows = graph.node("Add", attended, rows)
    outer = dense(graph, layer.output_projector, _inner(graph, layer, rms_norm(graph, layer.layer_norm, rows)))
    return unflattened(graph, graph.node("Add", outer, rows), tokens), bias


def rms_norm(graph: Graph, layer: Any, tokens: str) -> str:  # noqa: ANN401
    """Write root mean square normalisation over the channels: [...,d] -> [...,d].

    Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467. ONNX Runtime makes one operator of these nodes.
    """
    squares = graph.node("ReduceMean", graph.node("Pow", tokens, graph.number(2)), graph.integers(-1))
    root = graph.node("Sqrt", graph.node("Add", squares, graph.number(layer.epsilon)))
    return graph.node("Mul", graph.node("Div", tokens, root), graph.constant(array(layer.weight)))


def buckets_of(attention: Any) -> NDArray[np.int32]:  # noqa: ANN401
    """Return the bucket of each distance from -m to m, int32 [2m+1], as Keras has it; beyond m nothing changes."""
    most = attention.relative_attention_max_distance
    return np.array(
        attention._relative_position_bucket(
            keras.ops.arange(-most, most + 1),
            bidirectional=True,
            num_buckets=attention.relative_attention_buckets,
            max_distance=most,
        ),
        np.int32,
    )


def _bias(graph: Graph, attention: Any, tokens: str, mask: str) -> str:  # noqa: ANN401
    """Write what the distance of two tokens adds to their score, and -1e9 for padding: [n,h,t,t]."""
    buckets = buckets_of(attention)
    middle = len(buckets) // 2
    table = np.ascontiguousarray(array(attention.relative_attention_bias)[buckets].T)  # [h,2m+1]
    count = graph.node("Squeeze", length(graph, tokens))
    zero, one = (graph.constant(np.array(number, np.int64)) for number in (0, 1))
    places = graph.node("Range", zero, count, one)
    distances = graph.node("Sub", places, graph.node("Unsqueeze", places, graph.integers(1)))  # of the key: j - i
    ends = (graph.constant(np.array(end, np.int64)) for end in (-middle, middle))
    rows = graph.node("Add", graph.node("Clip", distances, *ends), graph.constant(np.array(middle, np.int64)))
    by_distance = graph.node("Gather", graph.constant(table), rows, axis=1)
    return graph.node("Add", by_distance, graph.node("Unsqueeze", barred(graph, mask), graph.integers(1)))


def _heads(graph: Graph, attention: Any, projection: Any, rows: str, tokens: str, order: list[int]) -> str:  # noqa: ANN401
    """Write rows projected, head by head: [n*t,d] -> [n,t,h,s] in another order; n and t are those of `tokens`."""
    shape = attention.num_heads, attention.key_value_dim
    return graph.node("Transpose", unflattened(graph, dense(graph, projection, rows), tokens, *shape), perm=order)


def _inner(graph: Graph, layer: Any, rows: str) -> str:  # noqa: ANN401
    """Write the wide part between two dense layers, gated since version 1.1 (Shazeer 2020, arXiv:2002.05202)."""
    inner = dense(graph, layer.input_projector, rows)
    return graph.node("Mul", inner, dense(graph, layer.gate_projector, rows)) if layer.use_gated_activation else inner
