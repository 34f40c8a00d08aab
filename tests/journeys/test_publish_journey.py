"""A pretrained classifier published and served without fine-tuning, by the commands that a user types."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from graft.errors import NotReady, Unreachable
from service import Client
from tests.support.ports import free_port
from tests.support.wait import until
from zoo.sample_inputs import load_photos

COMMANDS = Path(sys.executable).parent


def run(command: str, folder: Path, *words: str) -> str:
    process = subprocess.run([COMMANDS / command, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    return process.stdout


@pytest.mark.usefixtures("shared_weights")
def test_journey_pretrained_publish_predict_serve_export(tmp_path: Path) -> None:
    run("zoo", tmp_path, "publish", "efficientnet_lite0")
    for name, photo in zip(("china", "flower"), load_photos(), strict=True):
        (tmp_path / f"{name}.jpg").write_bytes(photo)
    answers = run("predict", tmp_path, "efficientnet_lite0", "china.jpg", "flower.jpg", "--top", "1")
    assert [line.split()[1] for line in answers.splitlines()] == ["bell_cote", "daisy"]

    port = free_port()
    server = subprocess.Popen([COMMANDS / "serve", "--port", str(port)], cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            until(lambda: client.models() == ["efficientnet_lite0"], forgive=(Unreachable, NotReady))
            assert [one.label for one in client.predict("efficientnet_lite0", list(load_photos()))] == [
                "bell_cote",
                "daisy",
            ]
            assert client.metadata("efficientnet_lite0")["backbone"]["top1"] == 75.1
    finally:
        server.terminate()
        log = server.communicate(timeout=30)[1].decode()
    assert server.returncode == 0, log

    command = [COMMANDS / "finetune", "add", "china.jpg", "--to", "efficientnet_lite0"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "its publisher's own classifier, which cannot be refitted" in refused.stderr

    export = run("zoo", tmp_path, "export", "models/efficientnet_lite0", "--format", "triton", "-o", "triton", "--json")
    assert json.loads(export)["proof"]["samples"] == 2
    assert (tmp_path / "triton/efficientnet_lite0/labels.txt").read_text().splitlines()[985] == "daisy"
