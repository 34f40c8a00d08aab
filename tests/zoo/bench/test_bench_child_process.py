"""The benchmark child process: timings, errors, and that it is stopped in any case."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from graft.bundle.signature import Signature, image_signature
from graft.errors import TrunkError
from graft.inputs.image import ImageInput
from graft.inputs.open_input import BatchArrays
from graft.storage.atomic_file import file_sha256
from tests.support.fakes import SIZE, WIDTH, tiny_trunk, tiny_trunk_bytes
from tests.support.text_fakes import tiny_text_input, tiny_text_signature, tiny_text_trunk_bytes, tiny_tokenizer
from zoo.bench.__main__ import load_trunk_folder, noise_batch, time_concurrent_runs
from zoo.bench.child_process import start_bench_process


def folder_of(folder: Path, graph: bytes, signature: Signature, inputs: dict[str, object]) -> Path:
    """A folder as in the cache of trunks."""
    folder.mkdir()
    (folder / "trunk.onnx").write_bytes(graph)
    sha256 = file_sha256(folder / "trunk.onnx")
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


def test_bench_child_times_images_and_texts(image_folder: Path, text_folder: Path) -> None:
    with (
        start_bench_process(image_folder, 0, "tiny") as images,
        start_bench_process(text_folder, 12, "tiny text") as texts,
    ):
        assert (images.load_report["tokens"], texts.load_report["tokens"]) == (None, 12)
        assert images.load_report["load_seconds"] > 0
        for _ in range(2):  # in turns
            assert images.time_runs(batch=8, threads=2, runs=3) > 0
            assert texts.time_runs(batch=1, threads=1, runs=1) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what memory no file stands behind")
def test_bench_child_reports_memory(image_folder: Path) -> None:
    with start_bench_process(image_folder, 0, "tiny") as child:
        assert 0 < child.load_report["memory"] < 100e6


def test_bench_samples_have_the_requested_shape_and_length(image_folder: Path, text_folder: Path) -> None:
    assert {name: (a.dtype, a.shape) for name, a in noise_batch(load_trunk_folder(image_folder), 8, 0).items()} == {
        "image": ("uint8", (8, SIZE, SIZE, 3))
    }
    texts = noise_batch(load_trunk_folder(text_folder), 3, 12)
    assert {name: (a.dtype, a.shape) for name, a in texts.items()} == {
        "token_ids": ("int32", (3, 12)),
        "padding_mask": ("int32", (3, 12)),
    }
    assert texts["padding_mask"].all()


@pytest.mark.parametrize("threads", [1, 3])
def test_bench_runs_every_thread_the_requested_number_of_times(threads: int, tmp_path: Path) -> None:
    trunk, calls = tiny_trunk(tmp_path), []

    def counted(arrays: BatchArrays) -> object:
        calls.append(len(arrays["image"]))
        return trunk(arrays)

    time_concurrent_runs(counted, noise_batch(trunk, 4, 0), threads, runs=5)  # type: ignore[arg-type]
    assert calls == [4] * 5 * threads


def test_bench_broken_trunk_is_one_clear_error(image_folder: Path) -> None:
    (image_folder / "trunk.onnx").write_bytes(b"no graph")
    with (
        pytest.raises(TrunkError, match="tiny cannot be measured: ONNX Runtime cannot open"),
        start_bench_process(image_folder, 0, "tiny"),
    ):
        pass


def test_bench_child_that_dies_is_reported(image_folder: Path) -> None:
    with start_bench_process(image_folder, 0, "tiny") as child:
        child._process.kill()
        with pytest.raises(TrunkError, match=r"exit status -9 without a message; out of memory\?"):
            child.time_runs(1, 1, 1)


def test_bench_child_is_stopped_in_any_case(image_folder: Path) -> None:
    children = []
    with pytest.raises(KeyboardInterrupt), start_bench_process(image_folder, 0, "tiny") as child:
        children.append(child)
        raise KeyboardInterrupt
    with start_bench_process(image_folder, 0, "tiny") as child:
        children.append(child)
    assert [child._process.poll() is not None for child in children] == [True, True]
    assert children[1]._process.returncode == 0


def test_bench_child_ends_with_its_parent(image_folder: Path) -> None:
    """A parent that was killed closes the pipe: no process is left over."""
    command = [sys.executable, "-P", "-m", "zoo.bench", str(image_folder)]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    assert ran.returncode == 0
