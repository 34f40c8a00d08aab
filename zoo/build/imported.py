"""The errand "import": a user's own Keras model, opened without a network, as a trunk and a head with their proof."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.backbone import Scaling
from zoo.build.customs import custom_layers
from zoo.build.fp32 import proven
from zoo.build.gemm import Link, head_onnx
from zoo.build.networks import scaled
from zoo.build.regrown import HEAD
from zoo.errors import GraftError, RecipeError, TrunkError
from zoo.golden import Golden
from zoo.image import ImageInput
from zoo.inputs import Arrays
from zoo.pictures import photos

Floats = NDArray[np.float32]

_LINKS: Final[dict[str, Link]] = {"softmax": "Softmax", "sigmoid": "Sigmoid", "number": "Identity"}
_NEEDED: Final = "What is needed: a functional or sequential model, its last layer a Dense on one vector a picture."


@dataclass(frozen=True, slots=True)
class Split:
    """A user's model cut in two: its own input -> features float32 [n,d], and the dense layer on them."""

    below: keras.Model
    dense: keras.layers.Dense
    ends: str  # the activation behind the dense layer: "softmax", "sigmoid", "linear", …


def take(wish: dict[str, Any], into: Path) -> dict[str, Any]:
    """Write trunk.onnx, head.onnx, model.keras and golden.npz into the folder `into`; return what they are.

    `wish` has file, scaling (None: the model takes uint8), scores (None: as its last activation says), size, custom,
    and alone: by which walls this process left the network.

    Raises:
        RecipeError: the model has not the form that is needed; the message says what is.
        TrunkError: it cannot be converted; ParityError where ONNX Runtime does not repeat it.
    """
    split = split_of(_opened(Path(wish["file"]), wish["custom"]))
    image, pixels = _pixels(split.below, wish["scaling"], wish["size"])
    trunk = keras.Model(image, split.below(pixels, training=False), name="trunk")
    size, width = image.shape[1], trunk.output_shape[-1]
    data, report = _converted(trunk, size, width)
    (into / "trunk.onnx").write_bytes(data)
    link = _link(split.ends, wish["scores"])
    kernel, bias = _weights(split.dense)
    (into / "head.onnx").write_bytes(head_onnx(kernel, bias, link, into / "trunk.onnx"))
    whole = _with_head(trunk, kernel, bias)
    whole.save(into / "model.keras")
    (into / "golden.npz").write_bytes(_golden(trunk, whole, link, size).to_npz())
    return report | {"size": size, "labels": len(bias), "link": link, "alone": wish["alone"]}


def split_of(model: keras.Model) -> Split:
    """Cut a model before its last dense layer.

    Raises:
        RecipeError: it has not that form.
    """
    if not isinstance(model, keras.Sequential | keras.src.models.Functional) or len(model.inputs) != 1:
        raise RecipeError(f"the model is a {type(model).__name__} with {_inputs(model)} inputs. {_NEEDED}")
    *_, last = model.layers
    ends = "linear"
    if isinstance(last, keras.layers.Activation | keras.layers.Softmax):
        ends = "softmax" if isinstance(last, keras.layers.Softmax) else last.activation.__name__
        last = last.input._keras_history.operation
    if not isinstance(last, keras.layers.Dense) or len(last.input.shape) != 2:
        raise RecipeError(f"the last layer is {last.name!r}, a {type(last).__name__}. {_NEEDED}")
    if ends == "linear":
        ends = last.activation.__name__
    elif last.activation is not keras.activations.linear:
        raise RecipeError(f"the last dense layer has two activations, {last.activation.__name__} and {ends}. {_NEEDED}")
    below = keras.Model(model.inputs, last.input, name="below")
    if below.output.dtype != "float32":
        raise RecipeError(
            f"the model computes in {below.output.dtype}; set its dtype policy to float32 and save again."
        )
    return Split(below, last, ends)


def _opened(path: Path, custom: list[str]) -> keras.Model:
    layers = custom_layers(custom)
    try:
        return keras.models.load_model(path, custom_objects=layers, compile=False, safe_mode=True)
    except GraftError:
        raise
    except Exception as fault:  # whatever a layer of the user's does when it is made
        said = " ".join(str(_first(fault)).split())[:400]
        raise RecipeError(
            f"Keras {keras.__version__} does not open it: {said} What is not Keras' own, --custom names."
        ) from None


def _first(fault: BaseException) -> BaseException:
    """Return the error that all others came from: Keras wraps each in long ones of its own."""
    while before := fault.__cause__ or fault.__context__:
        fault = before
    return fault


def _inputs(model: keras.Model) -> int:
    return len(model.inputs or ())


def _pixels(below: keras.Model, scaling: str | None, size: int | None) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return the trunk's input, uint8 [n,s,s,3], and the same as the model takes it.

    Raises:
        RecipeError: it takes no pictures, or what numbers it takes was not said.
    """
    (takes,) = below.inputs
    rows, columns, channels = takes.shape[1:] if len(takes.shape) == 4 else (0, 0, 0)
    side = rows or size
    if size and channels == 3 and rows == columns and side != size:
        raise RecipeError(f"the model takes pictures of {side} x {side} pixels; leave --size {size} out.")
    if channels != 3 or rows != columns or not side:
        wanted = "" if rows else " Its size is open: add --size PIXELS."
        raise RecipeError(
            f"the model takes {list(takes.shape)}; needed are square pictures, channels last: [n,s,s,3].{wanted} "
            "Models of text or other arrays cannot be taken in: a bundle must know how their samples are read."
        )
    image = keras.Input((side, side, 3), dtype="uint8", name="image")
    if takes.dtype == "uint8":
        if scaling not in (None, "raw"):
            raise RecipeError(f"the model takes uint8 as it is; --scaling {scaling} does not go with that.")
        return image, image
    if scaling is None:
        raise RecipeError(
            f"the model takes {takes.dtype}; say what numbers it was trained on: --scaling "
            f"{', '.join(known for known in Scaling if known != Scaling.PRESET)} (raw is 0 to 255 as they are)."
        )
    return image, keras.ops.cast(scaled(image, Scaling(scaling)), takes.dtype)


def _converted(trunk: keras.Model, size: int, width: int) -> tuple[bytes, dict[str, Any]]:
    try:
        return proven(trunk, size, width)
    except GraftError:
        raise
    except Exception as fault:  # tf2onnx and TensorFlow fail in many ways
        said = " ".join(str(fault).split())[:400]
        raise TrunkError(f"it cannot be converted to ONNX: {said}") from None


def _link(ends: str, scores: str | None) -> Link:
    said = scores or ends
    if said not in _LINKS or (ends in _LINKS and scores and scores != ends):
        raise RecipeError(
            f"the model ends with the activation {ends!r}. Say what its last numbers are: --scores softmax (logits of "
            "classes), sigmoid (logits of tags) or number; allowed for a model that ends with linear."
        )
    if said != ends and ends != "linear":
        raise RecipeError(f"the model ends with the activation {ends!r}; allowed are softmax, sigmoid and linear.")
    return _LINKS[said]


def _weights(dense: keras.layers.Dense) -> tuple[Floats, Floats]:
    kernel = np.asarray(dense.kernel, np.float32)
    return kernel, np.asarray(dense.bias, np.float32) if dense.use_bias else np.zeros(kernel.shape[1], np.float32)


def _with_head(trunk: keras.Model, kernel: Floats, bias: Floats) -> keras.Model:
    """Return the trunk with its dense layer, as every bundle's model.keras is: pixels -> logits float32 [n,k]."""
    head = keras.layers.Dense(len(bias), name=HEAD)
    whole = keras.Model(trunk.input, head(trunk.output), name="imported")
    head.set_weights([kernel, bias])
    return whole


def _golden(trunk: keras.Model, whole: keras.Model, link: Link, size: int) -> Golden:
    """Return what Keras answers to scikit-learn's two photos."""
    activation = {"Softmax": "softmax", "Sigmoid": "sigmoid", "Identity": "linear"}[link]
    scores = keras.Sequential([whole.get_layer(HEAD), keras.layers.Activation(activation)])

    def features(arrays: Arrays) -> Floats:
        return np.asarray(keras.ops.convert_to_numpy(trunk(arrays["image"], training=False)))

    def answer(rows: Floats) -> Floats:
        return np.asarray(keras.ops.convert_to_numpy(scores(rows)))

    return Golden.of(photos(), ImageInput(size), features, answer)
