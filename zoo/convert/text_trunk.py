"""Build a text trunk in fp32: backbone and weights -> trunk.onnx and tokenizer.json, with a parity check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import keras
import keras_hub
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from graft.bundle.signature import Signature, TensorSpec
from graft.errors import TrunkError, WeightsError
from graft.inputs.text import TextInput
from graft.runtime.session import open_session
from zoo.catalog.backbone import Backbone, TextSpec
from zoo.convert.networks.keras_hub_networks import load_preset_backbone, wrong_preset_error
from zoo.convert.networks.text import add_pooling
from zoo.convert.onnx_graph.canonical import serialize_onnx
from zoo.convert.onnx_graph.encoder import text_encoder_to_onnx
from zoo.convert.parity import check_text_parity
from zoo.convert.tokenizer_json.families import TokenizerSpec, tokenizer_from_files, tokenizer_from_preset
from zoo.convert.tokenizer_json.preset_files import PresetTokenizerFiles

EncoderLoader = Callable[[Path, str], tuple[keras.Model, TokenizerSpec]]


def build_text_trunk(backbone: Backbone, weights: Path) -> tuple[bytes, dict[str, Any], bytes]:
    """Return the bytes of trunk.onnx, the facts to record, and the bytes of tokenizer.json.

    `weights` is the weights file in the preset's folder.

    Raises:
        ParityError: ONNX Runtime's features differ from Keras'.
        WeightsError: the files do not hold this encoder.
    """
    model, tokenizer = load_text_encoder(backbone, weights)
    inputs = TextInput(
        tokenizer_json=tokenizer.tokenizer_json,
        special=tokenizer.special,
        arrays=tuple(tensor.name for tensor in model.inputs),
        max_tokens=_require_tokens(backbone).max_tokens,
    )
    data, report = convert_text_trunk(model, inputs)
    return data, report | {"params": model.count_params()}, tokenizer.tokenizer_json


def load_text_encoder(backbone: Backbone, weights: Path) -> tuple[keras.Model, TokenizerSpec]:
    """Return a backbone's Keras encoder with pooling and pretrained weights, and its tokenizer.

    Raises:
        WeightsError: the files do not hold this encoder.
    """
    takes = _require_tokens(backbone)
    try:
        hub, tokenizer = _ENCODER_LOADERS[backbone.builder](weights.parent, backbone.name)
    except (OSError, ValueError, KeyError, TypeError) as fault:  # what Keras raises for foreign files
        raise wrong_preset_error(weights.parent, backbone.name, fault) from None
    model = add_pooling(hub, takes.pooling)
    _check_sizes(backbone, takes, hub, model.output_shape[-1], tokenizer)
    return model, tokenizer


def convert_text_trunk(model: keras.Model, inputs: TextInput) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of trunk.onnx and the facts to record, for a Keras encoder of `zoo.convert.networks.text`.

    Raises:
        ParityError: ONNX Runtime's features differ from Keras'.
    """
    data = serialize_onnx(text_encoder_to_onnx(model))
    session = open_session(data)

    def runtime(batch: dict[str, NDArray[np.int32]]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run(None, batch)[0]
        return features

    parity = check_text_parity(model, runtime, inputs.vocabulary_size, inputs.max_tokens)
    signature = Signature(
        tuple(TensorSpec(name, "int32", (-1, -1)) for name in inputs.arrays),
        (TensorSpec("features", "float32", (-1, model.output_shape[-1])),),
    )
    tools = {package: version(package) for package in ("tensorflow", "keras", "keras-hub", "onnx", "onnxruntime")}
    return data, {"signature": asdict(signature), "input": inputs.spec(), "parity": asdict(parity), "tools": tools}


def _require_tokens(backbone: Backbone) -> TextSpec:
    if isinstance(backbone.takes, TextSpec):
        return backbone.takes
    raise TrunkError(f"{backbone.name} takes images; a text encoder is required here.")


def _check_sizes(backbone: Backbone, takes: TextSpec, hub: keras.Model, width: int, tokenizer: TokenizerSpec) -> None:
    """Refuse weights that contradict the catalog, and a tokenizer with more tokens than embeddings."""
    config, vocabulary = hub.get_config(), encoder_vocabulary_size(hub)
    positions = config.get("max_sequence_length", takes.max_tokens)  # T5 has relative positions
    tokenizer_size = Tokenizer.from_str(tokenizer.tokenizer_json.decode()).get_vocab_size()
    checks = {
        f"features of width {width}, not {backbone.width}": width == backbone.width,
        f"{positions} positions for {takes.max_tokens} tokens": positions >= takes.max_tokens,
        f"embeddings of {vocabulary} tokens, a tokenizer of {tokenizer_size}": tokenizer_size <= vocabulary,
    }
    if faults := ", ".join(fault for fault, is_fine in checks.items() if not is_fine):
        raise WeightsError(
            f"the weights of {backbone.name} have {faults}: they belong to another network. Pull them again."
        )


def encoder_vocabulary_size(hub: keras.Model) -> int:
    """Return the number of token ids in an encoder's embedding."""
    config = hub.get_config()
    return int(config.get("vocabulary_size") or config["vocab_size"])  # ELECTRA's name of it


def _load_hub_encoder(folder: Path, name: str) -> tuple[keras.Model, TokenizerSpec]:
    """Load a preset in KerasHub's format."""
    return load_preset_backbone(folder, name), tokenizer_from_preset(folder)


def _load_sentence_bert(folder: Path, _: str) -> tuple[keras.Model, TokenizerSpec]:
    """Load a BERT in Hugging Face's format: config.json, model.safetensors, and an uncased vocab.txt."""
    asset = PresetTokenizerFiles({"vocabulary.txt": (folder / "vocab.txt").read_bytes()}, {"lowercase": True})
    return keras_hub.models.BertBackbone.from_preset(str(folder)), tokenizer_from_files("BertTokenizer", asset)


_ENCODER_LOADERS: Final[dict[str, EncoderLoader]] = {
    "text:preset": _load_hub_encoder,
    "text:sentence_bert": _load_sentence_bert,
}
