"""The errand "form": a bundle as SavedModel, TFLite or Keras' own file, proven in that runtime."""

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

from zoo.build.customs import custom_layers
from zoo.build.regrown import regrown
from zoo.bundle import Bundle, open_bundle
from zoo.errors import BundleUnsupported, ReplayFailed
from zoo.export.proof import Run, prove
from zoo.golden import Floats
from zoo.inputs import Arrays

_SIGNATURE: Final = "serving_default"


def make(wish: dict[str, Any], into: Path) -> dict[str, Any]:
    """Write the form into the folder `into` and return its `files` and their `proof`.

    `wish` has bundle, form, custom and weights (None: the bundle has its model.keras).

    Raises:
        ReplayFailed: the form does not repeat the golden samples.
        BundleUnsupported: there is no such form of this bundle.
        WeightsError: the backbone's weights are not what they must be.
    """
    bundle = open_bundle(Path(wish["bundle"]))
    weights = Path(wish["weights"]) if wish["weights"] else None
    with keras.saving.custom_object_scope(custom_layers(wish["custom"])):
        files, run, runtime = _FORMS[wish["form"]](regrown(bundle, weights), bundle, into)
    try:
        return {"files": files, "proof": asdict(prove(bundle, run, runtime))}
    except ReplayFailed as fault:
        if bundle.manifest.precision != "int8":
            raise
        raise BundleUnsupported(
            f"an int8 trunk has no exact Keras form, and in fp32 its answers move too far: {fault} Export it as onnx, "
            "which is exact, or fine-tune again with --precision fp32 and export that."
        ) from None


Formed = tuple[list[str], Run, str]


def _saved_model(model: keras.Model, bundle: Bundle, into: Path) -> Formed:
    _export(model, bundle, into)
    loaded = tf.saved_model.load(str(into))

    def run(arrays: Arrays) -> Mapping[str, Floats]:
        serve = loaded.signatures[_SIGNATURE]  # asked of `loaded` each time: the weights live as long as that does
        return _numpy(serve(**{name: tf.constant(array) for name, array in arrays.items()}))

    return ["saved_model.pb"], run, f"TensorFlow {tf.__version__}"


def _keras(model: keras.Model, bundle: Bundle, into: Path) -> Formed:
    model.save(into / "model.keras")
    loaded = keras.models.load_model(into / "model.keras", compile=False, safe_mode=True)
    return ["model.keras"], lambda arrays: _numpy(loaded(dict(arrays), training=False)), f"Keras {keras.__version__}"


def _tflite(model: keras.Model, bundle: Bundle, into: Path) -> Formed:
    folder = into / "saved_model"
    _export(model, bundle, folder)
    try:
        data = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
    except Exception as fault:  # the converter's own errors share no base but this
        said = " ".join(str(fault).split())[:300]
        raise BundleUnsupported(
            f"TensorFlow's converter makes no TFLite file of {bundle.layout.root}: {said}. Export it as onnx."
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    (into / "model.tflite").write_bytes(data)
    interpreter, runtime = _interpreter(data)
    runner = interpreter.get_signature_runner(_SIGNATURE)
    return ["model.tflite"], lambda arrays: dict(runner(**dict(arrays))), runtime


def _export(model: keras.Model, bundle: Bundle, folder: Path) -> None:
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
    archive.add_endpoint(_SIGNATURE, serve, input_signature=specs)
    archive.write_out(str(folder), verbose=False)


def _interpreter(data: bytes) -> tuple[Any, str]:
    """Return LiteRT's interpreter of a TFLite file: its own package's where that is installed, else TensorFlow's."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it will move to a package of its own
            return tf.lite.Interpreter(model_content=data), f"LiteRT in TensorFlow {tf.__version__}"
    return Interpreter(model_content=data), "LiteRT (ai_edge_litert)"


def _numpy(answers: Mapping[str, Any]) -> dict[str, Floats]:
    return {name: np.asarray(keras.ops.convert_to_numpy(answer)) for name, answer in answers.items()}


_FORMS: Final[dict[str, Callable[[keras.Model, Bundle, Path], Formed]]] = {
    "keras": _keras,
    "saved_model": _saved_model,
    "tflite": _tflite,
}
