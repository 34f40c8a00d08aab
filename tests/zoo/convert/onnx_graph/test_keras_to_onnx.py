"""Large matrices go around tf2onnx, and come back as the constants that they are."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from graft.runtime.session import open_session
from zoo.convert.onnx_graph import keras_to_onnx
from zoo.convert.onnx_graph.keras_to_onnx import freeze_graph, image_model_to_onnx

# TensorFlow's tensors and Keras' reading of them do not agree with NumPy 2 yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def model() -> keras.Model:
    """A large dense layer, a small one, and a convolution as large as the first."""
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 3), dtype="uint8", name="image")
    x = keras.layers.Conv2D(128, 3, name="conv")(keras.ops.cast(image, "float32") / 255.0)
    x = keras.layers.Conv2D(256, 1, name="wide")(keras.layers.Dense(256, name="large")(x))
    return keras.Model(image, keras.layers.Dense(4, name="small")(keras.ops.mean(x, axis=(1, 2))))


def test_freeze_keeps_only_large_matrices_apart(model: keras.Model) -> None:
    traced = tf.function(lambda image: model(image, training=False))
    frozen = freeze_graph(traced.get_concrete_function(tf.TensorSpec((None, 4, 4, 3), tf.uint8, "image")))
    (name,) = frozen.constant_inputs
    assert "large" in name
    np.testing.assert_array_equal(frozen.constant_inputs[name], model.get_layer("large").kernel.numpy())
    assert frozen.inputs == ["image:0", name]
    assert max(node.ByteSize() for node in frozen.graph.node if "large" in node.name) < 1000


def test_freeze_leaves_the_onnx_graph_unchanged(model: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = image_model_to_onnx(model)
    monkeypatch.setattr(keras_to_onnx, "_MIN_LARGE_BYTES", 1 << 30)
    assert image_model_to_onnx(model).SerializeToString() == expected.SerializeToString()
    assert [value.name for value in expected.graph.input] == ["image"]
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    (answer,) = open_session(expected.SerializeToString()).run(None, {"image": pictures})
    np.testing.assert_allclose(answer, model(pictures), rtol=1e-4, atol=1e-5)
