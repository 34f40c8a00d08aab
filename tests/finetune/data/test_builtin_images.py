"""Built-in image datasets: sample:digits, sample:mnist."""

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from finetune.data.load import load_dataset
from finetune.evaluate.golden_samples import zoo_images
from graft.inputs.image import ImageInput


def test_builtin_digits_keep_every_pixel() -> None:
    pictures, labels = load_digits(return_X_y=True)
    samples = load_dataset("sample:digits").samples
    assert [sample.label for sample in samples] == [str(label) for label in labels]
    for sample, picture in zip(samples[::100], pictures[::100], strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(sample.read())))
        assert np.array_equal(np.rint(pixels * (16 / 255)), picture.reshape(8, 8))


def test_builtin_mnist_has_500_of_each_digit() -> None:
    dataset = load_dataset("sample:mnist")
    assert dataset.labels == tuple("0123456789")
    assert len(dataset.samples) == 5000


def test_sample_images_are_fixed_and_distinct() -> None:
    assert zoo_images(8) == zoo_images(8)
    assert len({ImageInput(8)(data).tobytes() for data in zoo_images(8)}) == 8
