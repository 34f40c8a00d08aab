import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from finetune.dataset import load
from finetune.samples import zoo_pictures
from zoo.image import ImageInput


def test_digits_lose_nothing_on_their_way_to_png() -> None:
    pictures, labels = load_digits(return_X_y=True)
    samples = load("sample:digits").samples
    assert [sample.label for sample in samples] == [str(label) for label in labels]
    for sample, picture in zip(samples[::100], pictures[::100], strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(sample.read())))
        assert np.array_equal(np.rint(pixels * (16 / 255)), picture.reshape(8, 8))


def test_mnist_has_five_hundred_of_each_digit() -> None:
    found = load("sample:mnist")
    assert found.labels == tuple("0123456789")
    assert len(found.samples) == 5000


def test_the_zoos_own_pictures_are_always_the_same_and_all_different() -> None:
    assert zoo_pictures(8) == zoo_pictures(8)
    assert len({ImageInput(8)(data).tobytes() for data in zoo_pictures(8)}) == 8
