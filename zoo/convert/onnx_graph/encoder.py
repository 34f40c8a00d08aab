"""Convert a KerasHub text encoder to an ONNX graph, layer by layer, in operators that ONNX Runtime fuses.

tf2onnx converts TensorFlow's operations: a LayerNorm becomes 12 nodes, attention 60, and it cannot convert exact GELU
or FNet's Fourier transform at all. Here each Keras layer is written as ONNX nodes by an emitter; the result is checked
against Keras afterwards (`zoo.convert.parity`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras
import onnx

from graft.errors import TrunkError
from zoo.convert.networks.text import TEXT_INPUTS
from zoo.convert.onnx_graph import encoder_bert, encoder_deberta, encoder_layers, encoder_t5
from zoo.convert.onnx_graph.graph_builder import GraphBuilder

# Type name of a Keras layer or operation -> emitter: (graph, layer, *inputs of the call) -> names of the outputs.
# Exact types only: a subclass may compute something else.
_EMITTERS: Final[dict[str, Callable[..., str | tuple[str, ...]]]] = {
    "Add": encoder_layers.add_terms,
    "Dense": encoder_layers.dense_on_tokens,
    "DisentangledAttentionEncoder": encoder_deberta.disentangled_encoder,
    "Dropout": encoder_layers.identity,
    "Embedding": encoder_layers.embedding,
    "FNetEncoder": encoder_bert.fnet_encoder,
    "FirstToken": encoder_layers.first_token,
    "GetItem": encoder_layers.get_item,
    "LayerNormalization": encoder_layers.layer_norm,
    "MeanOverMask": encoder_layers.mean_over_mask,
    "PositionEmbedding": encoder_layers.position_embedding,
    "RelativeEmbedding": encoder_deberta.relative_embedding,
    "ReversibleEmbedding": encoder_layers.embedding,
    "T5LayerNorm": encoder_t5.rms_norm,
    "T5TransformerLayer": encoder_t5.transformer_layer,
    "TokenAndPositionEmbedding": encoder_layers.token_and_position_embedding,
    "TransformerEncoder": encoder_bert.transformer_encoder,
}


def text_encoder_to_onnx(model: keras.Model) -> onnx.ModelProto:
    """Return an encoder of `zoo.convert.networks.text` as an ONNX graph; batch size and length are free.

    Inputs are the model's own of `token_ids`, `padding_mask`, `segment_ids`, int32 [n,t]; the output is `features`,
    float32 [n,d]. Equal weights give equal bytes.

    Raises:
        TrunkError: the model has a layer without an emitter.
    """
    graph = GraphBuilder()
    names = [tensor.name for tensor in model.inputs]
    unexpected = sorted(set(names) - set(TEXT_INPUTS))
    if unexpected:
        raise TrunkError(f"{model.name} takes {', '.join(unexpected)}; allowed inputs are {', '.join(TEXT_INPUTS)}.")
    output = model._run_through_graph(names, operation_fn=lambda layer: _get_emitter(graph, layer))
    input_types = dict.fromkeys((name for name in TEXT_INPUTS if name in names), onnx.TensorProto.INT32)
    return graph.to_model(input_types, output, model.output.shape[-1])


def _get_emitter(graph: GraphBuilder, layer: Any) -> Callable[..., str | tuple[str, ...]]:  # noqa: ANN401 - a layer or an operation
    layer_type = type(layer).__name__
    if layer_type not in _EMITTERS:
        supported = ", ".join(_EMITTERS)
        raise TrunkError(
            f"{layer.name} is a {layer_type}, which cannot be converted to ONNX. Supported layers: {supported}."
        )

    def emit(*inputs: Any, training: bool = False, **named: Any) -> str | tuple[str, ...]:  # noqa: ANN401 - `training` is Keras'
        return _EMITTERS[layer_type](graph, layer, *inputs, **named)

    return emit
