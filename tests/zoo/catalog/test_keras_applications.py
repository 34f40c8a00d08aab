"""keras.applications: all of it is in the catalog, as the library has it, and pixels are scaled as it scales them."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils
from numpy.typing import NDArray

from tools.catalog.applications_table import APPLICATIONS_FILE, application_facts, list_factories, render_applications
from zoo.catalog.backbone import FileSource
from zoo.catalog.find import all_backbones, get_backbone
from zoo.convert.networks import assign_weights, build_backbone_network, require_pixels, scale_pixels
from zoo.convert.networks.applications_networks import add_published_rescaling, headless
from zoo.convert.networks.random_weights import randomize_weights
from zoo.sample_inputs import random_photo_crops

ENTRIES = {b.builder.rpartition(":")[2]: b for b in all_backbones() if b.library == "keras.applications"}
TOLD = json.loads(APPLICATIONS_FILE.read_bytes())
MEAN, VARIANCE = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)  # of no real network; only EfficientNet reads such from its file
STARTS = (keras.layers.Conv2D, keras.layers.ZeroPadding2D, keras.Sequential)  # a network begins with one of these


class Reached(Exception):
    """A network in the making has come to its first convolution; the argument is what goes into it."""


def stop(_: keras.layers.Layer, tensor: object, *__: object, **___: object) -> None:
    raise Reached(tensor)


@contextmanager
def stopping_at_the_first_convolution() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for kind in STARTS:
            patch.setattr(kind, "__call__", stop)
        yield


def before_the_first_convolution(make: Callable[[], object]) -> keras.Model:
    """The layers that come first, as a model of their own: the network itself is never built."""
    with stopping_at_the_first_convolution(), pytest.raises(Reached) as reached:
        make()
    tensor = reached.value.args[0]
    (image,) = keras.utils.get_source_inputs(tensor)
    model = keras.Model(image, tensor)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            layer.adapt_mean.assign(MEAN)
            layer.adapt_variance.assign(VARIANCE)
            layer.finalize_state()
    return model


def as_the_library_does(factory: str, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    make, size = getattr(keras.applications, factory), pictures.shape[1]
    prepared = inspect.getmodule(make).preprocess_input(pictures.astype("float32"))
    first = before_the_first_convolution(
        lambda: make(include_top=False, weights="imagenet", input_shape=(size, size, 3))
    )
    return keras.ops.convert_to_numpy(first(prepared))


def as_we_do(factory: str, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    ours = scale_pixels(pictures, require_pixels(ENTRIES[factory]).scaling)
    first = before_the_first_convolution(lambda: headless(factory, pictures.shape[1], None))
    return keras.ops.convert_to_numpy(add_published_rescaling(first)(ours))


def test_keras_applications_are_all_in_the_catalog() -> None:
    assert len(list_factories()) == 40
    assert sorted(ENTRIES) == sorted(TOLD) == list_factories()


def test_keras_applications_first_four_entries_are_unchanged() -> None:
    sizes = {"mobilenet_v2": 9.4, "mobilenet_v3_small": 4.0, "resnet50": 94.8, "vgg16": 58.9}
    for name, megabytes in sizes.items():
        assert get_backbone(f"{name}.imagenet").megabytes == megabytes
        assert get_backbone(name) is get_backbone(f"{name}.imagenet")


@pytest.mark.parametrize("factory", ["ConvNeXtTiny", "EfficientNetB0", "MobileNetV3Small", "VGG16", "Xception"])
def test_keras_applications_facts_come_from_the_library(factory: str) -> None:
    assert application_facts(factory) == TOLD[factory]


@pytest.mark.slow
def test_keras_applications_table_is_up_to_date() -> None:
    assert APPLICATIONS_FILE.read_text() == render_applications(), "run: python -m tools.catalog.applications_table"


@pytest.mark.parametrize("factory", ENTRIES)
def test_keras_applications_checksums_stand_in_the_library_source(factory: str) -> None:
    source = ENTRIES[factory].source
    assert isinstance(source, FileSource)
    (file,) = source.files
    make = getattr(keras.applications, factory)
    digest = file.sha256 or file.md5
    assert (digest is None) == (factory in ("MobileNet", "MobileNetV2"))
    if digest:
        modules = [
            importlib.import_module(f"keras.src.applications.{name}")
            for name in (make.__module__.rpartition(".")[2], "resnet")
        ]
        assert any(digest in inspect.getsource(module) for module in modules)


@pytest.mark.parametrize("factory", ENTRIES)
def test_keras_applications_pixel_scaling_equals_the_library(factory: str) -> None:
    size = require_pixels(ENTRIES[factory]).size
    pictures = np.random.default_rng(7).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    theirs, ours = as_the_library_does(factory, pictures), as_we_do(factory, pictures)
    assert np.ptp(theirs) > 1
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max(), rtol=0)


def test_efficientnet_has_its_normalization_without_weights() -> None:
    model = build_backbone_network(get_backbone("efficientnet_b0"), None)
    assert [type(layer).__name__ for layer in model.layers[1:4]] == ["Rescaling", "Normalization", "Rescaling"]
    assert model.count_params() == get_backbone("efficientnet_b0").params


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras, where it saves
@pytest.mark.parametrize(
    "factory",
    [
        "EfficientNetB0",
        *(
            pytest.param(slow, marks=pytest.mark.slow)
            for slow in ("ConvNeXtTiny", "DenseNet121", "EfficientNetV2B0", "EfficientNetV2S", "NASNetMobile", "VGG16")
        ),
    ],
)
def test_keras_applications_network_equals_the_librarys(
    factory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fed as the library's documentation says, loaded by the library itself."""
    size, file = 96, tmp_path / "w.weights.h5"
    scaling = require_pixels(ENTRIES[factory]).scaling
    inner = headless(factory, size, None)
    randomize_weights(inner, size, scaling)
    inner.save_weights(file)
    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(file))
    make = getattr(keras.applications, factory)
    whole = make(include_top=False, weights="imagenet", input_shape=(size, size, 3))
    pictures = random_photo_crops(2, size, 9)
    theirs = whole(inspect.getmodule(make).preprocess_input(pictures.astype("float32")), training=False)
    ours = headless(factory, size, file)(scale_pixels(pictures, scaling), training=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max(), rtol=0)


def test_assigned_weights_reach_the_normalization_layer() -> None:
    image = keras.Input((2, 2, 3))
    model = keras.Model(image, keras.layers.Normalization()(image))
    assign_weights(model, [np.array(MEAN, "float32"), np.array(VARIANCE, "float32"), np.array(1)])
    expected = (1.0 - np.array(MEAN)) / np.sqrt(VARIANCE)
    np.testing.assert_allclose(model(np.ones((1, 2, 2, 3)))[0, 0, 0], expected, rtol=1e-5)
