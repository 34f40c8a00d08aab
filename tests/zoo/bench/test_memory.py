"""What is remembered of a machine: on that machine only, whole, the real before the random."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.zoo.bench.results import MACHINE, result
from zoo.bench.memory import path_of, remember, remembered


def test_what_was_remembered_is_what_was_measured() -> None:
    both = result("resnet50.imagenet", fp32=30, int8=10), result("bert_tiny.en_uncased", tokens=128, fp32=2)
    for one in both:
        remember(MACHINE, one)
    assert remembered(MACHINE) == {one.name: one for one in reversed(both)}


@pytest.mark.parametrize(
    "other",
    [{"cpu": "Other"}, {"features": "f" * 16}, {"cores": 2}, {"onnxruntime": "1.1"}],
    ids=lambda it: next(iter(it)),
)
def test_another_machine_knows_nothing_of_it(other: dict[str, str | int]) -> None:
    remember(MACHINE, result("resnet50.imagenet", fp32=30))
    assert remembered(replace(MACHINE, **other)) == {}  # type: ignore[arg-type]


def test_the_newer_takes_the_place_of_the_older_and_the_real_goes_before_the_random() -> None:
    remember(MACHINE, result("resnet50.imagenet", fp32=40))
    remember(MACHINE, result("resnet50.imagenet", fp32=30))
    remember(MACHINE, result("resnet50.imagenet", weights="random", fp32=20))
    assert remembered(MACHINE) == {"resnet50.imagenet": result("resnet50.imagenet", fp32=30)}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"measured": 3}', b'{"measured": {"a": 1}}', b"\xff"])
def test_a_damaged_file_is_no_error_and_is_written_anew(content: bytes) -> None:
    path_of(MACHINE).parent.mkdir(parents=True)
    path_of(MACHINE).write_bytes(content)
    assert remembered(MACHINE) == {}
    remember(MACHINE, result("resnet50.imagenet", fp32=30))
    assert list(remembered(MACHINE)) == ["resnet50.imagenet"]


def test_what_another_graft_wrote_is_passed_over() -> None:
    remember(MACHINE, result("resnet50.imagenet", fp32=30))
    told = json.loads(path_of(MACHINE).read_bytes())
    told["measured"]["new pretrained"] = {"name": "new", "weights": "pretrained", "watts": 3}
    path_of(MACHINE).write_text(json.dumps(told))
    assert list(remembered(MACHINE)) == ["resnet50.imagenet"]


def test_two_processes_lose_nothing_of_each_other() -> None:
    script = (
        "import sys; from tests.zoo.bench.results import MACHINE, result; from zoo.bench.memory import remember\n"
        "for n in range(25): remember(MACHINE, result(f'{sys.argv[1]}{n}', fp32=1))"
    )
    racing = [subprocess.Popen([sys.executable, "-c", script, name]) for name in "ab"]
    assert [process.wait() for process in racing] == [0, 0]
    assert len(remembered(MACHINE)) == 50
