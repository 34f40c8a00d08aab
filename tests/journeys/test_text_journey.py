"""News by topic with the real encoder: fine-tune, serve, ask by HTTP, by our client and by OpenAI's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import openai
import pytest

from graft.errors import NotReady, Unreachable
from service import Client
from tests.support.ports import free_port

COMMANDS = Path(sys.executable).parent
TEXT = "Crude oil prices rose sharply after OPEC agreed to cut its output."


@pytest.mark.slow
def test_journey_texts_reuters_to_every_client(tmp_path: Path) -> None:
    made = json.loads(
        subprocess.run(
            [COMMANDS / "finetune", "sample:reuters-r8", "--name", "topics", "--json"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    )
    assert made["metrics"]["accuracy"] > 0.96
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([COMMANDS / "serve", "--port", str(port)], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        with Client(url) as client:
            for _ in range(300):
                try:
                    client.models()
                    break
                except (NotReady, Unreachable):
                    time.sleep(0.1)
            assert client.predict("topics", TEXT).label == "crude"
            ours = client.embed("topics", TEXT)
        plain = urllib.request.Request(f"{url}/v1/models/topics:predict", TEXT.encode(), {"Content-Type": "text/plain"})
        with urllib.request.urlopen(plain, timeout=10) as answer:
            assert json.load(answer)["predictions"][0]["label"] == "crude"
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as theirs:
            (item,) = theirs.embeddings.create(model="topics", input=TEXT).data
        assert np.allclose(item.embedding, ours / np.linalg.norm(ours), atol=1e-5)
    finally:
        server.terminate()
        server.wait(30)
