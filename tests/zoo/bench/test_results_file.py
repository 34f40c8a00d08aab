"""Benchmark results are kept per machine; pretrained weights win over random ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.support.zoo.bench_results import MACHINE, result
from zoo.bench.results_file import bench_results_path, read_bench_results, save_bench_result


def test_bench_results_round_trip() -> None:
    both = result("resnet50.imagenet", fp32=30, int8=10), result("bert_tiny.en_uncased", tokens=128, fp32=2)
    for one in both:
        save_bench_result(MACHINE, one)
    assert read_bench_results(MACHINE) == {one.name: one for one in reversed(both)}


@pytest.mark.parametrize(
    "other",
    [{"cpu": "Other"}, {"features": "f" * 16}, {"cores": 2}, {"onnxruntime": "1.1"}],
    ids=lambda it: next(iter(it)),
)
def test_bench_results_are_kept_per_machine(other: dict[str, str | int]) -> None:
    save_bench_result(MACHINE, result("resnet50.imagenet", fp32=30))
    assert read_bench_results(replace(MACHINE, **other)) == {}  # type: ignore[arg-type]


def test_bench_results_newer_replace_older_and_real_win_over_random() -> None:
    save_bench_result(MACHINE, result("resnet50.imagenet", fp32=40))
    save_bench_result(MACHINE, result("resnet50.imagenet", fp32=30))
    save_bench_result(MACHINE, result("resnet50.imagenet", weights="random", fp32=20))
    assert read_bench_results(MACHINE) == {"resnet50.imagenet": result("resnet50.imagenet", fp32=30)}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"measured": 3}', b'{"measured": {"a": 1}}', b"\xff"])
def test_bench_results_damaged_file_is_ignored_and_rewritten(content: bytes) -> None:
    bench_results_path(MACHINE).parent.mkdir(parents=True)
    bench_results_path(MACHINE).write_bytes(content)
    assert read_bench_results(MACHINE) == {}
    save_bench_result(MACHINE, result("resnet50.imagenet", fp32=30))
    assert list(read_bench_results(MACHINE)) == ["resnet50.imagenet"]


def test_bench_results_of_another_version_are_skipped() -> None:
    save_bench_result(MACHINE, result("resnet50.imagenet", fp32=30))
    content = json.loads(bench_results_path(MACHINE).read_bytes())
    content["measured"]["new pretrained"] = {"name": "new", "weights": "pretrained", "watts": 3}
    bench_results_path(MACHINE).write_text(json.dumps(content))
    assert list(read_bench_results(MACHINE)) == ["resnet50.imagenet"]


def test_bench_results_survive_concurrent_writers() -> None:
    script = (
        "import sys; from tests.support.zoo.bench_results import MACHINE, result\n"
        "from zoo.bench.results_file import save_bench_result\n"
        "for n in range(25): save_bench_result(MACHINE, result(f'{sys.argv[1]}{n}', fp32=1))"
    )
    racing = [subprocess.Popen([sys.executable, "-c", script, name]) for name in "ab"]
    assert [process.wait() for process in racing] == [0, 0]
    assert len(read_bench_results(MACHINE)) == 50
