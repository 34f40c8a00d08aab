"""Task "import" of the conversion child process: split a user's Keras model into trunk.onnx and head.onnx."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from graft.bundle.golden import Golden
from graft.errors import GraftError, RecipeError, TrunkError
from graft.inputs.image import ImageInput
from graft.inputs.open_input import BatchArrays
from graft.types import Float32Array
from zoo.catalog.backbone import Scaling
from zoo.convert.classifier_head import ScoreActivation, dense_head_onnx
from zoo.convert.image_trunk import convert_image_trunk
from zoo.convert.keras_models.bundle_to_keras import HEAD_LAYER
from zoo.convert.keras_models.custom_layers import import_custom_layers
from zoo.convert.networks import scale_pixels
from zoo.sample_inputs import load_photos

_SCORE_ACTIVATIONS: Final[dict[str, ScoreActivation]] = {
    "softmax": "Softmax",
    "sigmoid": "Sigmoid",
    "number": "Identity",
}
_REQUIRED_FORM: Final = (
    "Required: a functional or sequential model whose last layer is a Dense on one vector per image."
)


@dataclass(frozen=True, slots=True)
class SplitUserModel:
    """A user's model split in two: its input -> features, float32 [n,d], and the dense layer on them."""

    body: keras.Model
    dense: keras.layers.Dense
    activation: str  # after the dense layer: "softmax", "sigmoid", "linear", …


def convert_user_model(request: dict[str, Any], into: Path) -> dict[str, Any]:
    """Write trunk.onnx, head.onnx, model.keras and golden.npz into the folder `into`; return their facts.

    Keys of `request`: file; scaling (None: the model takes uint8); scores (None: by its last activation); size; custom;
    alone (how the sandbox blocked the network).

    Raises:
        RecipeError: the model has an unsupported form; the message says which is required.
        TrunkError: it cannot be converted; ParityError if ONNX Runtime's features differ from Keras'.
    """
    split = split_user_model(_load_user_model(Path(request["file"]), request["custom"]))
    image, pixels = _image_input(split.body, request["scaling"], request["size"])
    trunk = keras.Model(image, split.body(pixels, training=False), name="trunk")
    size, width = image.shape[1], trunk.output_shape[-1]
    data, report = _convert_trunk(trunk, size, width)
    (into / "trunk.onnx").write_bytes(data)
    activation = _choose_activation(split.activation, request["scores"])
    kernel, bias = _kernel_and_bias(split.dense)
    (into / "head.onnx").write_bytes(dense_head_onnx(kernel, bias, activation, into / "trunk.onnx"))
    keras_model = _add_dense_head(trunk, kernel, bias)
    keras_model.save(into / "model.keras")
    (into / "golden.npz").write_bytes(_record_golden(trunk, keras_model, activation, size).to_npz())
    return report | {"size": size, "labels": len(bias), "link": activation, "alone": request["alone"]}


def split_user_model(model: keras.Model) -> SplitUserModel:
    """Split a model before its last dense layer.

    Raises:
        RecipeError: the model has an unsupported form.
    """
    if not isinstance(model, keras.Sequential | keras.src.models.Functional) or len(model.inputs) != 1:
        raise RecipeError(f"the model is a {type(model).__name__} with {_input_count(model)} inputs. {_REQUIRED_FORM}")
    *_, last = model.layers
    activation = "linear"
    if isinstance(last, keras.layers.Activation | keras.layers.Softmax):
        activation = "softmax" if isinstance(last, keras.layers.Softmax) else last.activation.__name__
        last = last.input._keras_history.operation
    if not isinstance(last, keras.layers.Dense) or len(last.input.shape) != 2:
        raise RecipeError(f"the last layer is {last.name!r}, a {type(last).__name__}. {_REQUIRED_FORM}")
    if activation == "linear":
        activation = last.activation.__name__
    elif last.activation is not keras.activations.linear:
        raise RecipeError(
            f"the last dense layer has two activations, {last.activation.__name__} and {activation}. {_REQUIRED_FORM}"
        )
    body = keras.Model(model.inputs, last.input, name="below")
    if body.output.dtype != "float32":
        raise RecipeError(f"the model computes in {body.output.dtype}; set its dtype policy to float32 and save again.")
    return SplitUserModel(body, last, activation)


def _load_user_model(path: Path, custom: list[str]) -> keras.Model:
    layers = import_custom_layers(custom)
    try:
        return keras.models.load_model(path, custom_objects=layers, compile=False, safe_mode=True)
    except GraftError:
        raise
    except Exception as fault:  # a user's layer may raise anything
        reason = " ".join(str(_root_cause(fault)).split())[:400]
        raise RecipeError(
            f"Keras {keras.__version__} cannot open it: {reason} Name layers that are not Keras' own by --custom."
        ) from None


def _root_cause(fault: BaseException) -> BaseException:
    """Return the innermost error: Keras wraps each in long ones of its own."""
    while cause := fault.__cause__ or fault.__context__:
        fault = cause
    return fault


def _input_count(model: keras.Model) -> int:
    return len(model.inputs or ())


def _image_input(
    body: keras.Model, scaling: str | None, size: int | None
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return the trunk's input, uint8 [n,s,s,3], and the tensor that the model takes, scaled.

    Raises:
        RecipeError: the model takes no square images, or its pixel scaling is not given.
    """
    (model_input,) = body.inputs
    rows, columns, channels = model_input.shape[1:] if len(model_input.shape) == 4 else (0, 0, 0)
    side = rows or size
    if size and channels == 3 and rows == columns and side != size:
        raise RecipeError(f"the model takes images of {side} x {side} pixels; leave out --size {size}.")
    if channels != 3 or rows != columns or not side:
        hint = "" if rows else " Its size is not fixed: add --size PIXELS."
        raise RecipeError(
            f"the model takes {list(model_input.shape)}; required are square images, channels last: [n,s,s,3].{hint} "
            "Models of text or other arrays cannot be imported: a bundle must know how to read their samples."
        )
    image = keras.Input((side, side, 3), dtype="uint8", name="image")
    if model_input.dtype == "uint8":
        if scaling not in (None, "raw"):
            raise RecipeError(f"the model takes uint8; --scaling {scaling} cannot be used with it. Leave it out.")
        return image, image
    if scaling is None:
        raise RecipeError(
            f"the model takes {model_input.dtype}; add the pixel scaling that it was trained with: --scaling "
            f"{', '.join(choice for choice in Scaling if choice != Scaling.PRESET)} (raw: 0 to 255, unscaled)."
        )
    return image, keras.ops.cast(scale_pixels(image, Scaling(scaling)), model_input.dtype)


def _convert_trunk(trunk: keras.Model, size: int, width: int) -> tuple[bytes, dict[str, Any]]:
    try:
        return convert_image_trunk(trunk, size, width)
    except GraftError:
        raise
    except Exception as fault:  # tf2onnx and TensorFlow raise many classes
        reason = " ".join(str(fault).split())[:400]
        raise TrunkError(f"it cannot be converted to ONNX: {reason}") from None


def _choose_activation(activation: str, scores: str | None) -> ScoreActivation:
    chosen = scores or activation
    if chosen not in _SCORE_ACTIVATIONS or (activation in _SCORE_ACTIVATIONS and scores and scores != activation):
        raise RecipeError(
            f"the model ends with the activation {activation!r}. Add the meaning of its outputs: --scores softmax "
            "(logits of classes), sigmoid (logits of tags) or number; allowed if the last activation is linear."
        )
    if chosen != activation and activation != "linear":
        raise RecipeError(
            f"the model ends with the activation {activation!r}; allowed are softmax, sigmoid and linear."
        )
    return _SCORE_ACTIVATIONS[chosen]


def _kernel_and_bias(dense: keras.layers.Dense) -> tuple[Float32Array, Float32Array]:
    kernel = np.asarray(dense.kernel, np.float32)
    return kernel, np.asarray(dense.bias, np.float32) if dense.use_bias else np.zeros(kernel.shape[1], np.float32)


def _add_dense_head(trunk: keras.Model, kernel: Float32Array, bias: Float32Array) -> keras.Model:
    """Return trunk and dense layer as a bundle's model.keras: uint8 [n,s,s,3] -> logits, float32 [n,k]."""
    head = keras.layers.Dense(len(bias), name=HEAD_LAYER)
    keras_model = keras.Model(trunk.input, head(trunk.output), name="imported")
    head.set_weights([kernel, bias])
    return keras_model


def _record_golden(trunk: keras.Model, keras_model: keras.Model, activation: ScoreActivation, size: int) -> Golden:
    """Record Keras' features and scores of scikit-learn's two photos as golden samples."""
    activation_name = {"Softmax": "softmax", "Sigmoid": "sigmoid", "Identity": "linear"}[activation]
    scores = keras.Sequential([keras_model.get_layer(HEAD_LAYER), keras.layers.Activation(activation_name)])

    def features(arrays: BatchArrays) -> Float32Array:
        return np.asarray(keras.ops.convert_to_numpy(trunk(arrays["image"], training=False)))

    def answer(rows: Float32Array) -> Float32Array:
        return np.asarray(keras.ops.convert_to_numpy(scores(rows)))

    return Golden.record(load_photos(), ImageInput(size), features, answer)
