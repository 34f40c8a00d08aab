"""Check, fine-tune at depths top, full and lora, and add samples, by the commands that a user types, on tiny data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from graft.bundle.open_bundle import open_bundle
from tests.support.class_folders import fill
from tests.support.reviews import REVIEWS

COMMANDS = Path(sys.executable).parent


def finetune(folder: Path, *options: str) -> dict[str, Any]:
    process = subprocess.run(
        [COMMANDS / "finetune", *options, "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    result: dict[str, Any] = json.loads(process.stdout)
    return result


@pytest.mark.usefixtures("shared_weights")
def test_journey_images_checked_trained_deeper_and_extended(tmp_path: Path) -> None:
    fill(tmp_path / "photos", each=12)
    (tmp_path / "photos" / "red" / "00.png").write_bytes((tmp_path / "photos" / "blue" / "00.png").read_bytes())
    report = finetune(tmp_path, "check", "photos")
    assert [{one["ref"] for one in group["samples"]} for group in report["contradictions"]] == [
        {"blue/00.png", "red/00.png"}
    ]
    (tmp_path / "photos" / "red" / "00.png").unlink()

    options = ("photos", "--epochs", "1", "--no-augment")
    top = finetune(tmp_path, *options, "--depth", "top")
    full = finetune(tmp_path, *options, "--depth", "full", "--size", "64")
    for result in (top, full):
        bundle = open_bundle(tmp_path / result["path"])
        assert bundle.manifest.depth in ("probe", "top", "full")  # probe, if training deeper was no better
        assert result["metrics"]["accuracy"] > 0.6
    assert not list((tmp_path / "cache" / "runs").iterdir()), "a finished run leaves nothing"

    fill(tmp_path / "more", each=5, first=50)
    (tmp_path / "more" / "red").rename(tmp_path / "more" / "purple")
    added = finetune(tmp_path, "add", "more", "--to", "photos")
    assert added["version"] == 3
    assert "purple" in added["labels"]
    assert open_bundle(tmp_path / full["path"]).manifest.version == 2  # the old one is kept


@pytest.mark.slow
def test_journey_texts_with_lora(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("\n".join(["review,stars", *REVIEWS]))
    result = finetune(tmp_path, "reviews.csv", "--depth", "lora", "--epochs", "1", "--rank", "4")
    assert result["metrics"]["accuracy"] > 0.6
    open_bundle(tmp_path / result["path"])
