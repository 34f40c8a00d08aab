"""The peers that Graft is compared with: what is sent to them, and environments whole or not at all."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.serving.contender import Workload
from benchmarks.serving.peers import PEERS, environment, wires
from benchmarks.serving.peers.peer import PROGRAMS

SAMPLES: dict[Workload, bytes] = {
    "jpeg": b"\xff\xd8 no photo \xff\xd9",
    "json_tensor": bytes(range(256)) * 588,
    "binary_tensor": bytes(range(256)) * 588,
    "text": "naïve".encode(),
}


def parts(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    rows = dict(row.split(": ", 1) for row in head.decode().split("\r\n")[1:])
    return rows, body


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_request_has_a_matching_content_length(name: str) -> None:
    peer = PEERS[name]
    assert peer.workloads
    for workload in peer.workloads:
        rows, body = parts(peer.request(workload, SAMPLES[workload]))
        assert int(rows["Content-Length"]) == len(body)


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_its_program_and_pinned_requirements(name: str) -> None:
    peer = PEERS[name]
    assert (PROGRAMS / peer.program).is_file()
    lines = (environment.REQUIREMENTS / f"{peer.environment}.txt").read_text().split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)


def test_every_peer_is_measured_as_documented_and_tuned() -> None:
    assert {name.removesuffix(" tuned") for name in PEERS} == {name for name in PEERS if not name.endswith(" tuned")}
    assert len(PEERS) == 2 * len({peer.environment for peer in PEERS.values()})


def test_open_inference_binary_request_has_the_header_length() -> None:
    rows, body = parts(wires.oip_binary("/", "image", "BYTES", (1, 1))(b"photo"))
    at = int(rows["Inference-Header-Content-Length"])
    assert json.loads(body[:at])["inputs"][0]["parameters"]["binary_data_size"] == len(body) - at
    assert body[at:] == b"\x05\0\0\0photo"


def test_failed_peer_environment_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(environment, "REQUIREMENTS", tmp_path)
    (tmp_path / "broken.txt").write_text("./nowhere-1.0-py3-none-any.whl\n")
    with pytest.raises(RuntimeError, match="pip could not install broken"):
        environment.make("broken")
    assert not environment.folder_of("broken").exists()
    with pytest.raises(RuntimeError, match=r"no environment for broken yet.*benchmarks\.serving\.peers broken"):
        environment.python_of("broken")
