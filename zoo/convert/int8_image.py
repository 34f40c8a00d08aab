"""int8 trunks: static, per channel, QDQ; unsigned 8-bit activations, signed 8-bit weights.

Calibrated on crops of scikit-learn's two photos, so that an int8 trunk is made once per backbone
and shared. A head is fitted on the features of that very trunk, so it answers to what is left.
On x86 processors without VNNI instructions ONNX Runtime's u8 x s8 products may saturate, so features
differ more there: a bundle's golden samples tell whether that matters.
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
_TEST_COUNT: Final = 48  # other crops than the calibration's
_TEST_SEED: Final = 1000


def quantize(trunk: Path, size: int, float_convs: int) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of the int8 trunk made of an fp32 one, and the facts to record.

    The first `float_convs` convolutions stay fp32: they see few channels of very unequal range.
    `cosine` is the mean of the mean-centred cosine between both trunks' features of real pictures,
    `cosine_min` the lowest one.
    """
    pictures = jitter_colors(random_photo_crops(_CALIBRATION_COUNT, size, _CALIBRATION_SEED), _CALIBRATION_SEED)
    model = onnx.load(trunk)
    convs = [node.name for node in model.graph.node if node.op_type == "Conv"]
    logging.getLogger().addFilter(_is_not_preprocessing_advice)  # to preprocess first; the trunk is folded already
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "int8.onnx"
        quantize_static(
            model,
            out,
            _CalibrationImages(pictures, model.graph.input[0].name),
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
    """Return `cosine` and `cosine_min` of two trunks on real pictures that did not calibrate either."""
    pictures = random_photo_crops(_TEST_COUNT, size, _TEST_SEED)
    fp32_features, int8_features = _run_trunk(fp32, pictures), _run_trunk(int8, pictures)
    cosines = centred_cosine(fp32_features, int8_features)
    return {"cosine": round(float(cosines.mean()), 4), "cosine_min": round(float(cosines.min()), 4)}


def centred_cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each pair of rows, [n,d] and [n,d] -> [n], the mean row of `a` taken off both.

    Features of one network share a large common part; without it a cosine says little.
    """
    x, y = a - a.mean(axis=0), b - a.mean(axis=0)
    products: NDArray[np.float32] = (x * y).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    return products


class _CalibrationImages(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Pictures one by one, as the calibration asks for them."""

    def __init__(self, pictures: NDArray[np.uint8], name: str) -> None:
        self._remaining = iter({name: picture[None]} for picture in pictures)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._remaining, None)


def _run_trunk(trunk: Path | bytes, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = open_session(trunk)
    return np.concatenate([session.run(None, {"image": picture[None]})[0] for picture in pictures])


def _is_not_preprocessing_advice(record: logging.LogRecord) -> bool:
    return "pre-processing" not in record.getMessage()
