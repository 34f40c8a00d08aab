"""Task "form" of the conversion child process: write a bundle as SavedModel, TFLite or .keras, and replay it there."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from graft.bundle.open_bundle import Bundle, open_bundle
from graft.errors import BundleUnsupported, ReplayFailed
from graft.inputs.open_input import BatchArrays
from graft.types import Float32Array
from zoo.convert.keras_models.bundle_to_keras import rebuild_keras_model
from zoo.convert.keras_models.custom_layers import import_custom_layers
from zoo.export.proof import ExportRunner, prove_export

_SIGNATURE_NAME: Final = "serving_default"


def write_keras_format(request: dict[str, Any], into: Path) -> dict[str, Any]:
    """Write one export format into the folder `into`; return its `files` and their `proof`.

    Keys of `request`: bundle, form, custom, and weights (None: the bundle has a model.keras).

    Raises:
        ReplayFailed: its answers to the golden samples differ.
        BundleUnsupported: this bundle cannot be exported in this format.
        WeightsError: the file does not hold the backbone's weights.
    """
    bundle = open_bundle(Path(request["bundle"]))
    weights = Path(request["weights"]) if request["weights"] else None
    with keras.saving.custom_object_scope(import_custom_layers(request["custom"])):
        files, run, runtime = _EXPORTERS[request["form"]](rebuild_keras_model(bundle, weights), bundle, into)
    try:
        return {"files": files, "proof": asdict(prove_export(bundle, run, runtime))}
    except ReplayFailed as fault:
        if bundle.manifest.precision != "int8":
            raise
        raise BundleUnsupported(
            f"an int8 trunk has no exact Keras form, and in fp32 its answers differ too much: {fault} Export it as "
            "onnx, which is exact, or fine-tune again with --precision fp32 and export that."
        ) from None


FormatExport = tuple[list[str], ExportRunner, str]


def _export_saved_model(model: keras.Model, bundle: Bundle, into: Path) -> FormatExport:
    _write_saved_model(model, bundle, into)
    saved_model = tf.saved_model.load(str(into))

    def run(arrays: BatchArrays) -> Mapping[str, Float32Array]:
        # Looked up in `saved_model` each time: it keeps the weights alive.
        serve = saved_model.signatures[_SIGNATURE_NAME]
        return _to_numpy(serve(**{name: tf.constant(array) for name, array in arrays.items()}))

    return ["saved_model.pb"], run, f"TensorFlow {tf.__version__}"


def _export_keras(model: keras.Model, bundle: Bundle, into: Path) -> FormatExport:
    model.save(into / "model.keras")
    model_copy = keras.models.load_model(into / "model.keras", compile=False, safe_mode=True)
    return (
        ["model.keras"],
        lambda arrays: _to_numpy(model_copy(dict(arrays), training=False)),
        f"Keras {keras.__version__}",
    )


def _export_tflite(model: keras.Model, bundle: Bundle, into: Path) -> FormatExport:
    folder = into / "saved_model"
    _write_saved_model(model, bundle, folder)
    try:
        data = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
    except Exception as fault:  # the converter's errors have no other common base
        reason = " ".join(str(fault).split())[:300]
        raise BundleUnsupported(
            f"TensorFlow cannot convert {bundle.layout.root} to TFLite: {reason}. Export it as onnx."
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    (into / "model.tflite").write_bytes(data)
    interpreter, runtime = _open_tflite(data)
    runner = interpreter.get_signature_runner(_SIGNATURE_NAME)
    return ["model.tflite"], lambda arrays: dict(runner(**dict(arrays))), runtime


def _write_saved_model(model: keras.Model, bundle: Bundle, folder: Path) -> None:
    inputs = bundle.manifest.signature.inputs
    specs = [
        tf.TensorSpec((None, *(None if size == -1 else size for size in tensor.shape[1:])), tensor.dtype, tensor.name)
        for tensor in inputs
    ]

    def serve(*arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        named = zip((tensor.name for tensor in inputs), arrays, strict=True)
        answers: dict[str, tf.Tensor] = model(dict(named), training=False)
        return answers

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(_SIGNATURE_NAME, serve, input_signature=specs)
    archive.write_out(str(folder), verbose=False)


def _open_tflite(data: bytes) -> tuple[Any, str]:
    """Return an interpreter for a TFLite file and its name: of ai_edge_litert if installed, otherwise TensorFlow's."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecation: it moves to ai_edge_litert
            return tf.lite.Interpreter(model_content=data), f"LiteRT in TensorFlow {tf.__version__}"
    return Interpreter(model_content=data), "LiteRT (ai_edge_litert)"


def _to_numpy(answers: Mapping[str, Any]) -> dict[str, Float32Array]:
    return {name: np.asarray(keras.ops.convert_to_numpy(answer)) for name, answer in answers.items()}


_EXPORTERS: Final[dict[str, Callable[[keras.Model, Bundle, Path], FormatExport]]] = {
    "keras": _export_keras,
    "saved_model": _export_saved_model,
    "tflite": _export_tflite,
}
