"""int8 image trunks by post-training static quantization: per channel, QDQ; uint8 activations, int8 weights.

Calibration uses crops of scikit-learn's two photos, so that an int8 trunk is made once per backbone and shared. The
quantization error costs little accuracy, as a head is fitted on the features of that very trunk. On x86 CPUs without
VNNI instructions ONNX Runtime's uint8 x int8 products may saturate, so features differ more there: replaying a bundle's
golden samples shows whether that matters.
Method: Jacob et al. 2018, https://arxiv.org/abs/1712.05877.
"""

from __future__ import annotations

import logging
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from graft.runtime.session import open_session
from zoo.convert.onnx_graph.canonical import canonical, serialize_onnx
from zoo.sample_inputs import jitter_colors, random_photo_crops

_CALIBRATION_COUNT, _CALIBRATION_SEED = 96, 0
_TEST_COUNT: Final = 48  # crops that were not used for calibration
_TEST_SEED: Final = 1000


def quantize(trunk: Path, size: int, float_convs: int) -> tuple[bytes, dict[str, Any]]:
    """Quantize an fp32 image trunk to int8; return the bytes of trunk.onnx and the facts to record.

    Facts: `cosine`, the mean of the mean-centred cosine between both trunks' features of photo crops, and `cosine_min`,
    the lowest one.

    Args:
        trunk: the fp32 trunk.onnx.
        size: side of the input images, in pixels.
        float_convs: how many of the first convolutions stay fp32: they see few channels of very unequal range.
    """
    images = jitter_colors(random_photo_crops(_CALIBRATION_COUNT, size, _CALIBRATION_SEED), _CALIBRATION_SEED)
    model = onnx.load(trunk)
    convs = [node.name for node in model.graph.node if node.op_type == "Conv"]
    logging.getLogger().addFilter(_is_not_preprocessing_advice)  # the trunk is folded already
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "int8.onnx"
        quantize_static(
            model,
            out,
            _CalibrationImages(images, model.graph.input[0].name),
            nodes_to_exclude=convs[:float_convs],
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        data = serialize_onnx(canonical(onnx.load(out)))
    tools = {package: version(package) for package in ("onnx", "onnxruntime", "scikit-learn")}
    return data, {**compare_trunks(trunk, data, size), "opset": model.opset_import[0].version, "tools": tools}


def compare_trunks(fp32: Path, int8: bytes, size: int) -> dict[str, float]:
    """Return `cosine` and `cosine_min` of two trunks on photo crops that calibrated neither."""
    images = random_photo_crops(_TEST_COUNT, size, _TEST_SEED)
    fp32_features, int8_features = _run_trunk(fp32, images), _run_trunk(int8, images)
    cosines = centred_cosine(fp32_features, int8_features)
    return {"cosine": round(float(cosines.mean()), 4), "cosine_min": round(float(cosines.min()), 4)}


def centred_cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each pair of rows after subtracting the mean row of `a` from both.

    Features of one network share a large common part, which would make every cosine nearly 1.

    >>> x = np.array([[9, 1], [9, -1]], np.float32)
    >>> centred_cosine(x, x[::-1]).round(3).tolist()
    [-1.0, -1.0]

    Args:
        a: float32 [n,d].
        b: float32 [n,d].

    Returns:
        float32 [n].
    """
    x, y = a - a.mean(axis=0), b - a.mean(axis=0)
    products: NDArray[np.float32] = (x * y).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    return products


class _CalibrationImages(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Calibration images, one by one."""

    def __init__(self, images: NDArray[np.uint8], name: str) -> None:
        self._remaining = iter({name: image[None]} for image in images)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._remaining, None)


def _run_trunk(trunk: Path | bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = open_session(trunk)
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])


def _is_not_preprocessing_advice(record: logging.LogRecord) -> bool:
    return "pre-processing" not in record.getMessage()
