"""Images from folder to answer with a real trunk: fine-tune, serve, predict, fine-tune again, predict again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.crops import make_crops
from graft.bundle.open_bundle import open_bundle
from graft.errors import NotAnImage, NotReady, UnknownModel, Unreachable
from service import Client
from tests.support.ports import free_port
from tests.support.wait import until

COMMANDS = Path(sys.executable).parent


def finetune(folder: Path, *options: str) -> dict:
    process = subprocess.run(
        [COMMANDS / "finetune", "photos", "--json", *options], cwd=folder, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.mark.usefixtures("shared_trunks")
def test_journey_images_finetune_serve_retrain(tmp_path: Path) -> None:
    make_crops(tmp_path / "photos")
    result = finetune(tmp_path)
    assert (result["model"], result["version"]) == ("photos", 1)
    assert result["metrics"]["accuracy"] > 0.6  # 12 classes; 0.08 by chance

    golden = open_bundle(tmp_path / result["path"]).read_golden()
    port = free_port()
    server = subprocess.Popen([COMMANDS / "serve", "--port", str(port)], cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            until(lambda: client.models() == ["photos"], forgive=(Unreachable, NotReady))
            answers = client.predict("photos", list(golden.samples), top=12)
            for answer, scores in zip(answers, golden.scores, strict=True):
                served = sorted(one.probability for one in answer.top)
                assert np.allclose(served, np.sort(scores), atol=1e-5)
            assert np.allclose(client.embed("photos", list(golden.samples)), golden.features, atol=1e-4)
            with pytest.raises(UnknownModel, match="photos"):
                client.predict("fotos", golden.samples[0])
            with pytest.raises(NotAnImage, match="text"):
                client.predict("photos", b"hello")

            assert finetune(tmp_path, "--seed", "1")["version"] == 2
            until(lambda: client.metadata("photos")["version"] in (2, "2"))
    finally:
        server.terminate()
        log = server.communicate(timeout=30)[1].decode()
    assert server.returncode == 0, log
    assert "Traceback" not in log
