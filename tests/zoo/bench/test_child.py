"""A trunk in a process of its own: it answers, says what it cannot do, and is gone in the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import SIZE, WIDTH, tiny_trunk, tiny_trunk_bytes
from tests.text_fakes import tiny_text_input, tiny_text_signature, tiny_text_trunk_bytes, tiny_tokenizer
from zoo.bench.__main__ import batch_of, opened, side_by_side
from zoo.bench.child import started
from zoo.errors import TrunkError
from zoo.files import sha256_of
from zoo.image import ImageInput
from zoo.inputs import Arrays
from zoo.signature import Signature, image_signature


def folder_of(folder: Path, graph: bytes, signature: Signature, inputs: dict[str, object]) -> Path:
    """A folder as in the cache of trunks."""
    folder.mkdir()
    (folder / "trunk.onnx").write_bytes(graph)
    sha256 = sha256_of(folder / "trunk.onnx")
    tensors = {
        kind: [{"name": one.name, "dtype": one.dtype, "shape": list(one.shape)} for one in getattr(signature, kind)]
        for kind in ("inputs", "outputs")
    }
    (folder / "trunk.json").write_text(json.dumps({"sha256": sha256, "signature": tensors, "input": inputs}))
    return folder


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "image", tiny_trunk_bytes(), image_signature(SIZE, WIDTH), ImageInput(SIZE).spec())


@pytest.fixture
def text_folder(tmp_path: Path) -> Path:
    spec = tiny_text_input().spec()
    folder = folder_of(tmp_path / "text", tiny_text_trunk_bytes(), tiny_text_signature(), spec)
    (folder / "tokenizer.json").write_bytes(tiny_tokenizer())
    return folder


def test_images_and_texts_answer_in_the_seconds_they_took(image_folder: Path, text_folder: Path) -> None:
    with started(image_folder, 0, "tiny") as images, started(text_folder, 12, "tiny text") as texts:
        assert (images.loaded["tokens"], texts.loaded["tokens"]) == (None, 12)
        assert images.loaded["load_seconds"] > 0
        for _ in range(2):  # in turns
            assert images.seconds(batch=8, threads=2, runs=3) > 0
            assert texts.seconds(batch=1, threads=1, runs=1) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what memory no file stands behind")
def test_memory_is_told(image_folder: Path) -> None:
    with started(image_folder, 0, "tiny") as child:
        assert 0 < child.loaded["memory"] < 100e6


def test_samples_are_of_the_shape_and_length_asked_for(image_folder: Path, text_folder: Path) -> None:
    assert {name: (a.dtype, a.shape) for name, a in batch_of(opened(image_folder), 8, 0).items()} == {
        "image": ("uint8", (8, SIZE, SIZE, 3))
    }
    texts = batch_of(opened(text_folder), 3, 12)
    assert {name: (a.dtype, a.shape) for name, a in texts.items()} == {
        "token_ids": ("int32", (3, 12)),
        "padding_mask": ("int32", (3, 12)),
    }
    assert texts["padding_mask"].all()


@pytest.mark.parametrize("threads", [1, 3])
def test_every_thread_does_every_run(threads: int, tmp_path: Path) -> None:
    trunk, calls = tiny_trunk(tmp_path), []

    def counted(arrays: Arrays) -> object:
        calls.append(len(arrays["image"]))
        return trunk(arrays)

    side_by_side(counted, batch_of(trunk, 4, 0), threads, runs=5)  # type: ignore[arg-type]
    assert calls == [4] * 5 * threads


def test_a_broken_trunk_is_said_in_a_line(image_folder: Path) -> None:
    (image_folder / "trunk.onnx").write_bytes(b"no graph")
    with (
        pytest.raises(TrunkError, match="tiny cannot be measured: ONNX Runtime refuses"),
        started(image_folder, 0, "tiny"),
    ):
        pass


def test_a_process_that_dies_is_said(image_folder: Path) -> None:
    with started(image_folder, 0, "tiny") as child:
        child._process.kill()
        with pytest.raises(TrunkError, match=r"exit status -9, without a word; is the memory full\?"):
            child.seconds(1, 1, 1)


def test_it_is_gone_whatever_happens(image_folder: Path) -> None:
    children = []
    with pytest.raises(KeyboardInterrupt), started(image_folder, 0, "tiny") as child:
        children.append(child)
        raise KeyboardInterrupt
    with started(image_folder, 0, "tiny") as child:
        children.append(child)
    assert [child._process.poll() is not None for child in children] == [True, True]
    assert children[1]._process.returncode == 0


def test_it_ends_with_whoever_started_it(image_folder: Path) -> None:
    """A parent that was killed closes the pipe: nobody measures on alone."""
    command = [sys.executable, "-P", "-m", "zoo.bench", str(image_folder)]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    assert ran.returncode == 0
