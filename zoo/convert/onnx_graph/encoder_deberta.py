"""Encoder block of DeBERTa v3 as ONNX nodes: disentangled attention to content and to relative position.

He et al. 2021, https://arxiv.org/abs/2006.03654 and https://arxiv.org/abs/2111.09543. Shapes: n texts, t
tokens, d channels, h heads of s channels each, b buckets of distances on either side.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.convert.onnx_graph.encoder_bert import attention_output_and_feedforward, masked_attention, project_heads
from zoo.convert.onnx_graph.encoder_layers import flatten_tokens, weight_array
from zoo.convert.onnx_graph.graph_builder import GraphBuilder


def disentangled_encoder(graph: GraphBuilder, layer: Any, tokens: str, rel_embeddings: str, padding_mask: str) -> str:  # noqa: ANN401 - Keras has no types
    """Write one block: [n,t,d], the constant of `relative_embedding` [2b,d], int32 [n,t] -> [n,t,d]."""
    attention = layer._self_attention_layer
    scale, span = float(attention.scale_factor), attention.bucket_size
    distances, buckets = graph.constant_array(rel_embeddings), log_distance_buckets(attention)
    rows = flatten_tokens(graph, tokens, distances.shape[1])
    query = project_heads(graph, attention._query_dense, rows, tokens, scale)
    key = project_heads(graph, attention._key_dense, rows, tokens)
    to_distance = _relative_scores(graph, query, _project_distances(attention._key_dense, distances), buckets + span)
    # Keras looks up the distance from key to query; hence the sign and the transposition.
    from_distance = _relative_scores(
        graph, key, _project_distances(attention._query_dense, distances) * scale, span - buckets
    )
    scores = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 1, 3, 2]))
    scores = graph.node("Add", scores, to_distance)
    scores = graph.node("Add", scores, graph.node("Transpose", from_distance, perm=[0, 1, 3, 2]))
    context = masked_attention(graph, scores, project_heads(graph, attention._value_dense, rows, tokens), padding_mask)
    return attention_output_and_feedforward(graph, layer, context, rows, tokens)


def relative_embedding(graph: GraphBuilder, layer: Any, _: str) -> str:  # noqa: ANN401
    """Write the normalized embeddings of distances: a constant [2b,d], the same for every text."""
    return graph.constant(weight_array(layer.layer_norm(keras.ops.convert_to_tensor(layer.rel_embeddings)[None]))[0])


def log_distance_buckets(attention: Any) -> NDArray[np.int64]:  # noqa: ANN401
    """Return the bucket of each distance from m down to 1-m, int64 [2m]: exact for short distances, then logarithmic.

    m is the encoder's maximum number of positions.
    """
    max_positions, max_exact_distance = attention.max_position_embeddings, attention.bucket_size // 2
    distances = np.arange(max_positions, -max_positions, -1)
    # float32 as in Keras: the ceiling below depends on it.
    far = np.maximum(np.abs(distances), max_exact_distance).astype(np.float32)
    octaves = np.log(far / np.float32(max_exact_distance)) * np.float32(max_exact_distance - 1)
    steps = np.ceil(octaves / np.log(np.float32(max_positions - 1) / np.float32(max_exact_distance)))
    return np.where(
        far <= max_exact_distance, distances, np.sign(distances) * (steps.astype(np.int64) + max_exact_distance)
    )


def _project_distances(projection: Any, rows: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ANN401
    """Return the projection of constant rows to heads, transposed: [2b,d] -> [h,s,2b]."""
    kernel, bias = weight_array(projection.kernel), weight_array(projection.bias)
    columns: NDArray[np.float32] = np.einsum("bd,dhs->hsb", rows, kernel) + bias[:, :, None]
    return np.ascontiguousarray(columns, np.float32)


def _relative_scores(graph: GraphBuilder, rows: str, columns: NDArray[np.float32], buckets: NDArray[np.int64]) -> str:
    """Write scores of each token by its distance to each: [n,h,t,s], [h,s,2b], [2m] -> [n,h,t,t].

    First by the distances t..1-t, [n,h,t,2t]; then out[i,j] = in[i, j-i+t]. In the flattened array that is the index
    t + i*(2t-1) + j: drop the first t, reshape to rows of 2t-1, keep t of each. This needs no index array of t*t*h.
    """
    count, middle = graph.node("Shape", rows, start=2, end=3), graph.int64(len(buckets) // 2)
    first, last = graph.node("Sub", middle, count), graph.node("Add", middle, count)
    clipped = graph.constant(np.clip(buckets, 0, columns.shape[2] - 1))
    bucket_row = graph.node("Slice", clipped, first, last, graph.int64(0))
    scores = graph.node("MatMul", rows, graph.node("Gather", graph.constant(columns), bucket_row, axis=2))
    flat = graph.node("Reshape", scores, graph.int64(0, columns.shape[0], -1))
    flat = graph.node("Slice", flat, count, graph.int64(np.iinfo(np.int64).max), graph.int64(2))
    stride = graph.node("Sub", graph.node("Add", count, count), graph.int64(1))
    shape = graph.node("Concat", graph.int64(0, columns.shape[0]), count, stride, axis=0)
    return graph.node("Slice", graph.node("Reshape", flat, shape), graph.int64(0), count, graph.int64(3))
