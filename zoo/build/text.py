"""Text backbone and weights -> trunk.onnx in fp32, proven against Keras, and its tokenizer.json."""

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

from zoo.backbone import Backbone, Tokens
from zoo.build.assets import Asset
from zoo.build.canonical import serialized
from zoo.build.emit import text_to_onnx
from zoo.build.loading import load_preset, not_held
from zoo.build.networks.text import encoder
from zoo.build.text_parity import prove_text
from zoo.build.tokenizers import Made, of_assets, of_preset
from zoo.errors import TrunkError, WeightsError
from zoo.signature import Signature, Tensor
from zoo.text import TextInput
from zoo.trunk import open_session

Loader = Callable[[Path, str], tuple[keras.Model, Made]]


def build_text(backbone: Backbone, weights: Path) -> tuple[bytes, dict[str, Any], bytes]:
    """Return the bytes of trunk.onnx, the facts to record, and the bytes of tokenizer.json.

    The rest of the preset lies beside `weights`.

    Raises:
        ParityError: ONNX Runtime does not repeat Keras.
        WeightsError: the files do not hold this encoder.
    """
    model, made = load_text(backbone, weights)
    inputs = TextInput(
        tokenizer_json=made.tokenizer_json,
        special=made.special,
        arrays=tuple(tensor.name for tensor in model.inputs),
        max_tokens=_tokens_of(backbone).max_tokens,
    )
    data, report = emit_text(model, inputs)
    return data, report | {"params": model.count_params()}, made.tokenizer_json


def load_text(backbone: Backbone, weights: Path) -> tuple[keras.Model, Made]:
    """Return the encoder of `zoo.build.networks.text` with its pretrained weights, and its tokenizer.

    Raises:
        WeightsError: the files do not hold this encoder.
    """
    takes = _tokens_of(backbone)
    try:
        hub, made = LOADERS[backbone.builder](weights.parent, backbone.name)
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        raise not_held(weights.parent, backbone.name, fault) from None
    model = encoder(hub, takes.pooling)
    _check_sizes(backbone, takes, hub, model.output_shape[-1], made)
    return model, made


def emit_text(model: keras.Model, inputs: TextInput) -> tuple[bytes, dict[str, Any]]:
    """Return an encoder of `zoo.build.networks.text` as the bytes of trunk.onnx, and the facts to record.

    Raises:
        ParityError: ONNX Runtime does not repeat Keras.
    """
    data = serialized(text_to_onnx(model))
    session = open_session(data)

    def runtime(batch: dict[str, NDArray[np.int32]]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run(None, batch)[0]
        return features

    parity = prove_text(model, runtime, inputs.vocabulary, inputs.max_tokens)
    signature = Signature(
        tuple(Tensor(name, "int32", (-1, -1)) for name in inputs.arrays),
        (Tensor("features", "float32", (-1, model.output_shape[-1])),),
    )
    tools = {package: version(package) for package in ("tensorflow", "keras", "keras-hub", "onnx", "onnxruntime")}
    return data, {"signature": asdict(signature), "input": inputs.spec(), "parity": asdict(parity), "tools": tools}


def _tokens_of(backbone: Backbone) -> Tokens:
    if isinstance(backbone.takes, Tokens):
        return backbone.takes
    raise TrunkError(f"{backbone.name} takes images; a text encoder was asked for.")


def _check_sizes(backbone: Backbone, takes: Tokens, hub: keras.Model, width: int, made: Made) -> None:
    """Refuse weights that are not what the catalog says, and a tokenizer that is not theirs."""
    config, known = hub.get_config(), vocabulary_of(hub)
    positions = config.get("max_sequence_length", takes.max_tokens)  # T5 has none, but distances
    words = Tokenizer.from_str(made.tokenizer_json.decode()).get_vocab_size()
    holds = {
        f"features of width {width}, not {backbone.width}": width == backbone.width,
        f"{positions} positions for {takes.max_tokens} tokens": positions >= takes.max_tokens,
        f"embeddings of {known} tokens, a tokenizer of {words}": words <= known,
    }
    if odd := ", ".join(fault for fault, is_fine in holds.items() if not is_fine):
        raise WeightsError(f"the weights of {backbone.name} have {odd}: they are another network's. Pull them again.")


def vocabulary_of(hub: keras.Model) -> int:
    """Return how many token ids an encoder knows."""
    config = hub.get_config()
    return int(config.get("vocabulary_size") or config["vocab_size"])  # ELECTRA's is called otherwise


def _preset(folder: Path, name: str) -> tuple[keras.Model, Made]:
    """Load KerasHub's own form of a preset."""
    return load_preset(folder, name), of_preset(folder)


def _sentence_bert(folder: Path, _: str) -> tuple[keras.Model, Made]:
    """Load a BERT in Hugging Face's form: config.json, model.safetensors, and an uncased vocab.txt."""
    asset = Asset({"vocabulary.txt": (folder / "vocab.txt").read_bytes()}, {"lowercase": True})
    return keras_hub.models.BertBackbone.from_preset(str(folder)), of_assets("BertTokenizer", asset)


LOADERS: Final[dict[str, Loader]] = {"text:preset": _preset, "text:sentence_bert": _sentence_bert}
