"""Datasets from memory: arrays, texts, DataFrames, tf.data."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from finetune.data.dataset import DataKind, DataOptions, SplitPart
from finetune.data.in_memory import dataset_from_memory
from finetune.data.load import load_dataset
from finetune.data.task import Task
from finetune.pipeline import run_pipeline
from finetune.plan import make_plan
from finetune.recipe import Recipe
from graft.errors import DatasetError
from tests.support.class_folders import COLORS, noisy
from tests.support.fakes import picture

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (9, 6, 5, 3)).astype(np.uint8)
GREY = RANDOM.integers(0, 256, (9, 6, 5)).astype(np.uint8)
NUMBERS = np.arange(9) % 3
WORDS = [("red", "green", "blue")[n] for n in NUMBERS]
TEXTS = [f"a text {number}" for number in range(9)]


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("x", [PIXELS, GREY, GREY[..., None], list(PIXELS)], ids=["RGB", "grey", "one", "list"])
def test_in_memory_images_keep_every_pixel(x) -> None:
    dataset = dataset_from_memory((x, NUMBERS))
    assert (dataset.kind, dataset.task, dataset.labels) == (DataKind.IMAGE, Task.CLASSIFY, ("0", "1", "2"))
    for sample, picture_ in zip(dataset.samples, x, strict=True):
        assert np.array_equal(pixels(sample.read()), np.squeeze(picture_))
    assert dataset.samples[1].label == "1"


def test_in_memory_images_may_be_files_or_differ_in_size() -> None:
    assert len(dataset_from_memory(([*PIXELS, GREY[0]], [*WORDS, "red"])).samples) == 10
    data = picture()
    assert dataset_from_memory(([data] * 9, WORDS)).samples[0].read() == data


@pytest.mark.parametrize("labels", [WORDS, np.array(WORDS), [word.encode() for word in WORDS], pd.Series(WORDS)])
def test_in_memory_string_labels_are_classes(labels) -> None:
    assert dataset_from_memory((PIXELS, labels)).labels == ("blue", "green", "red")


def test_in_memory_integer_labels_get_class_names() -> None:
    dataset = dataset_from_memory((PIXELS, NUMBERS.astype(np.uint8)), classes=("red", "green", "blue"))
    assert [sample.label for sample in dataset.samples] == WORDS
    with pytest.raises(DatasetError, match="sample 2: the label 2 is not one of the 2 classes"):
        dataset_from_memory((PIXELS, NUMBERS), classes=("red", "green"))


def test_in_memory_integers_are_classes_and_floats_are_numbers() -> None:
    many = np.repeat(np.arange(30), 3)
    x = RANDOM.integers(0, 256, (90, 4, 4)).astype(np.uint8)
    assert dataset_from_memory((x, many)).task is Task.CLASSIFY
    assert dataset_from_memory((x, many / 7)).task is Task.REGRESS
    assert dataset_from_memory((x, many), options=DataOptions(task=Task.REGRESS)).task is Task.REGRESS


def test_in_memory_texts_pairs_and_tags() -> None:
    dataset = dataset_from_memory((TEXTS, WORDS))
    assert (dataset.kind, dataset.texts_per_sample, dataset.samples[3].read()) == (DataKind.TEXT, 1, b"a text 3")
    assert dataset_from_memory((np.array(TEXTS), WORDS)).samples[3].read() == b"a text 3"
    assert dataset_from_memory(([(text, "other") for text in TEXTS], WORDS)).texts_per_sample == 2
    tags = dataset_from_memory((TEXTS, [["a", "b"], ["a"], []] * 3))
    assert tags.task is Task.TAG
    assert [sample.label for sample in tags.samples][:3] == ['["a", "b"]', '["a"]', "[]"]


def test_in_memory_samples_without_labels_are_for_embedding() -> None:
    embed = DataOptions(task=Task.EMBED)
    assert (
        len(dataset_from_memory(TEXTS, options=embed).samples)
        == len(dataset_from_memory(PIXELS, options=embed).samples)
        == 9
    )
    # Two texts are two samples, no pair of samples and labels.
    with pytest.raises(DatasetError, match="has no labels"):
        dataset_from_memory(TEXTS)


def test_in_memory_missing_label_is_a_skipped_sample() -> None:
    dataset = dataset_from_memory((PIXELS[[*range(9), 0]], [*WORDS, None]))
    assert [bad.ref for bad in dataset.skipped_samples] == ["000009"]
    assert len(dataset.samples) == 9


def test_in_memory_split_is_kept() -> None:
    dataset = dataset_from_memory(
        {"train": (PIXELS, WORDS), "validation": (PIXELS[:3], WORDS[:3]), "test": (GREY, WORDS)}
    )
    assert [sum(sample.part is part for sample in dataset.samples) for part in SplitPart] == [9, 3, 9]
    assert dataset.samples[-1].ref == "test/000008"
    with pytest.raises(DatasetError, match="'tset' is not a part of a split"):
        dataset_from_memory({"train": (PIXELS, WORDS), "tset": (PIXELS, WORDS)})
    with pytest.raises(DatasetError, match="holds texts for the task classify, other parts images"):
        dataset_from_memory({"train": (PIXELS, WORDS), "test": (TEXTS, WORDS)})


def test_in_memory_dataframe_is_read_as_a_table(tmp_path: Path) -> None:
    reviews = [f"so good it was {n}" for n in range(10)]
    frame = pd.DataFrame({"review": reviews, "stars": [*WORDS, None], "id": range(10)})
    dataset = dataset_from_memory(frame)
    assert (dataset.kind, dataset.task, len(dataset.samples)) == (DataKind.TEXT, Task.CLASSIFY, 9)
    assert dataset.skipped_samples[0].ref == "row 10"
    numbers = DataOptions(label="id", text=("review",), task=Task.REGRESS)
    assert [sample.label for sample in dataset_from_memory(frame, options=numbers).samples] == list("0123456789")
    for number in range(9):
        (tmp_path / f"{number}.png").write_bytes(picture())
    paths = pd.DataFrame({"path": [f"{n}.png" for n in range(9)], "label": NUMBERS})
    dataset = dataset_from_memory(paths, folder=tmp_path)
    assert dataset.kind is DataKind.IMAGE
    assert dataset.samples[0].read() == picture()
    twins = pd.DataFrame([["a", "b"]], columns=["text", "text"])
    with pytest.raises(DatasetError, match="several columns 'text'"):
        dataset_from_memory(twins)


class Stream:
    """What of a tf.data.Dataset is looked at; the real one is in the test below it."""

    def __init__(self, *elements: object, cardinality: int = -2) -> None:
        self.elements, self._cardinality = elements, cardinality
        self.element_spec = elements[0]

    def as_numpy_iterator(self) -> Iterator[object]:
        return iter(self.elements)

    def cardinality(self) -> int:
        return self._cardinality


@pytest.mark.parametrize(
    "elements",
    [
        tuple(zip(PIXELS, NUMBERS, strict=True)),
        ((PIXELS[:5], NUMBERS[:5]), (PIXELS[5:], NUMBERS[5:])),
        ((GREY[..., None], NUMBERS),),
        ((GREY, NUMBERS),),
        tuple((text.encode(), word.encode()) for text, word in zip(TEXTS, WORDS, strict=True)),
        ((np.array([text.encode() for text in TEXTS], object), NUMBERS),),
    ],
    ids=["pictures", "batches", "one colour", "grey", "texts", "batches of texts"],
)
def test_in_memory_stream_is_read_sample_by_sample(elements: tuple) -> None:
    dataset = dataset_from_memory(Stream(*elements))
    assert len(dataset.samples) == 9
    assert len(dataset.labels) == 3
    assert dataset.samples[4].read() == b"a text 4" or pixels(dataset.samples[4].read()).shape[:2] == (6, 5)


@pytest.mark.slow
def test_in_memory_tf_data_is_read() -> None:
    tf = pytest.importorskip("tensorflow")
    for source in (
        tf.data.Dataset.from_tensor_slices((PIXELS, NUMBERS)),
        tf.data.Dataset.from_tensors((PIXELS, NUMBERS)),
    ):
        dataset = dataset_from_memory(source, classes=("red", "green", "blue"))
        assert [sample.label for sample in dataset.samples] == WORDS
        assert np.array_equal(pixels(dataset.samples[7].read()), PIXELS[7])
    texts = tf.data.Dataset.from_tensor_slices((TEXTS, WORDS)).batch(4)
    assert [sample.read().decode() for sample in dataset_from_memory(texts).samples] == TEXTS
    with pytest.raises(DatasetError, match="is infinite"):
        dataset_from_memory(texts.repeat())
    with pytest.raises(DatasetError, match=r"tf\.cast"):
        dataset_from_memory(tf.data.Dataset.from_tensor_slices((PIXELS / 255, NUMBERS)))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ((PIXELS / 255, NUMBERS), "image of float64"),
        ((PIXELS.astype(np.float32), NUMBERS), r"x\.astype\('uint8'\)"),
        ((PIXELS.astype(np.int32), NUMBERS), "an array of int32"),
        ((PIXELS[..., :2], NUMBERS), r"\[6, 5, 2\]"),
        ((np.zeros((9, 64)), NUMBERS), "is not a list of samples"),
        ((PIXELS, np.eye(3)[NUMBERS]), r"y\.argmax"),
        ((PIXELS, NUMBERS[:5]), "9 samples but 5 labels"),
        ((range(9), NUMBERS), "sample 0 is a int"),
        (([*TEXTS[:8], PIXELS[0]], NUMBERS), "mixes"),
        ((["a", "\ud800", *TEXTS[2:]], NUMBERS), "sample 1: there is a lone surrogate"),
        (([b"\xff\xfe\xfd"] * 9, NUMBERS), "sample 0: these 3 bytes are not UTF-8"),
        (Stream((PIXELS, NUMBERS), cardinality=-1), "is infinite"),
        (Stream((PIXELS, np.eye(3)[NUMBERS])), r"tf\.argmax"),
        (Stream((PIXELS[0], np.eye(3)[0])), r"tf\.argmax"),
        (Stream(PIXELS), "pairs of sample and label"),
        (7, "int is not a list of samples"),
        ("photos/", "str is not a list of samples"),
        ({}, "is empty"),
        (([], []), "holds no images"),
        ((PIXELS, ["red"] * 9), "only one class"),
    ],
)
def test_in_memory_unusable_data_is_refused_with_advice(source: object, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        dataset_from_memory(source)


def test_in_memory_arrays_have_no_columns() -> None:
    with pytest.raises(DatasetError, match="has no columns"):
        dataset_from_memory((TEXTS, WORDS), options=DataOptions(label="y"))


def test_in_memory_dataset_refuses_other_data_options() -> None:
    dataset = dataset_from_memory((TEXTS, NUMBERS))
    assert load_dataset(dataset) is load_dataset(dataset, DataOptions(task=Task.CLASSIFY)) is dataset
    with pytest.raises(DatasetError, match="is in memory"):
        load_dataset(dataset, DataOptions(task=Task.REGRESS))


def test_in_memory_arrays_train_a_bundle(tmp_path: Path) -> None:
    x = [pixels(noisy(color, 100 * at + n)) for at, color in enumerate(COLORS.values()) for n in range(8)]
    y = [name for name in COLORS for _ in range(8)]
    dataset = run_pipeline(
        make_plan(
            Recipe(data=dataset_from_memory((np.stack(x), y), name="Colours in memory"), models=tmp_path / "models")
        )
    )
    assert dataset.bundle.manifest.name == "colours-in-memory"
    assert dataset.bundle.manifest.data["source"] == "Colours in memory"
    assert dataset.bundle.manifest.metrics["accuracy"] == 1
