"""DeBERTa v3's encoder block as ONNX nodes: attention to content and to distance, disentangled.

He et al. 2021, https://arxiv.org/abs/2006.03654 and https://arxiv.org/abs/2111.09543. Shapes: n texts, t
tokens, d channels, h heads of s channels each, b buckets of distances on either side.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.build.emit_blocks import after_attention, attended, heads
from zoo.build.emit_parts import array, flattened
from zoo.build.graph import Graph


def disentangled_encoder(graph: Graph, layer: Any, tokens: str, rel_embeddings: str, padding_mask: str) -> str:  # noqa: ANN401 - Keras has no types
    """Write one block: [n,t,d], the constant of `relative_embedding`, int32 [n,t] -> [n,t,d]."""
    attention = layer._self_attention_layer
    scale, span = float(attention.scale_factor), attention.bucket_size
    distances, buckets = graph.content(rel_embeddings), signed_buckets(attention)
    rows = flattened(graph, tokens, distances.shape[1])
    query = heads(graph, attention._query_dense, rows, tokens, scale)
    key = heads(graph, attention._key_dense, rows, tokens)
    to_distance = _by_distance(graph, query, _projected(attention._key_dense, distances), buckets + span)
    # Keras asks from the key's side, by the distance from key to query; hence the sign and the transposition.
    from_distance = _by_distance(graph, key, _projected(attention._query_dense, distances) * scale, span - buckets)
    scores = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 1, 3, 2]))
    scores = graph.node("Add", scores, to_distance)
    scores = graph.node("Add", scores, graph.node("Transpose", from_distance, perm=[0, 1, 3, 2]))
    context = attended(graph, scores, heads(graph, attention._value_dense, rows, tokens), padding_mask)
    return after_attention(graph, layer, context, rows, tokens)


def relative_embedding(graph: Graph, layer: Any, _: str) -> str:  # noqa: ANN401
    """Write the embeddings of distances, normalised: a constant [2b,d], the same for every text."""
    return graph.constant(array(layer.layer_norm(keras.ops.convert_to_tensor(layer.rel_embeddings)[None]))[0])


def signed_buckets(attention: Any) -> NDArray[np.int64]:  # noqa: ANN401
    """Return the bucket of each distance from m down to 1-m, int64 [2m]: exact near by, logarithmic far off.

    m is the most positions the encoder was made for.
    """
    most, middle = attention.max_position_embeddings, attention.bucket_size // 2
    distances = np.arange(most, -most, -1)
    far = np.maximum(np.abs(distances), middle).astype(np.float32)  # float32 as in Keras: a ceiling hangs on it
    octaves = np.log(far / np.float32(middle)) * np.float32(middle - 1)
    steps = np.ceil(octaves / np.log(np.float32(most - 1) / np.float32(middle)))
    return np.where(far <= middle, distances, np.sign(distances) * (steps.astype(np.int64) + middle))


def _projected(projection: Any, rows: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ANN401
    """Return constant rows head by head, transposed: [2b,d] -> [h,s,2b]."""
    kernel, bias = array(projection.kernel), array(projection.bias)
    columns: NDArray[np.float32] = np.einsum("bd,dhs->hsb", rows, kernel) + bias[:, :, None]
    return np.ascontiguousarray(columns, np.float32)


def _by_distance(graph: Graph, rows: str, columns: NDArray[np.float32], table: NDArray[np.int64]) -> str:
    """Write scores of each token by its distance to each: [n,h,t,s], [h,s,2b], [2m] -> [n,h,t,t].

    First by the distances t..1-t, [n,h,t,2t]; then out[i,j] = in[i, j-i+t]. Read as one row that stands at
    t + i*(2t-1) + j: leave out t, cut into rows of 2t-1, keep t of each. No index of t*t*h numbers is needed.
    """
    count, middle = graph.node("Shape", rows, start=2, end=3), graph.integers(len(table) // 2)
    first, last = graph.node("Sub", middle, count), graph.node("Add", middle, count)
    clipped = graph.constant(np.clip(table, 0, columns.shape[2] - 1))
    wanted = graph.node("Slice", clipped, first, last, graph.integers(0))
    scores = graph.node("MatMul", rows, graph.node("Gather", graph.constant(columns), wanted, axis=2))
    flat = graph.node("Reshape", scores, graph.integers(0, columns.shape[0], -1))
    flat = graph.node("Slice", flat, count, graph.integers(np.iinfo(np.int64).max), graph.integers(2))
    stride = graph.node("Sub", graph.node("Add", count, count), graph.integers(1))
    shape = graph.node("Concat", graph.integers(0, columns.shape[0]), count, stride, axis=0)
    return graph.node("Slice", graph.node("Reshape", flat, shape), graph.integers(0), count, graph.integers(3))
