"""The `serve` command: invalid options and settings are explained."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import predict, serve
from tests.support.fakes import picture


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another server has: no test here can begin to serve, even where a check is missing."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--models", "nowhere"], 1, "finetune DATA"),
        (["--models", ".", "--host", "0.0.0.0"], 2, "--allow-anyone-without-a-key"),  # noqa: S104
        (["--models", ".", "--port", "99999"], 2, "65535"),
        (["--models", ".", "--versions", "0"], 2, "versions"),
    ],
)
def test_serve_invalid_options_say_what_to_do(arguments: list[str], status: int, text: str, taken: int) -> None:
    result = CliRunner().invoke(serve, ["--port", str(taken), *arguments])
    assert isinstance(result.exception, SystemExit), result.exception  # explained by click, not a crash
    assert result.exit_code == status
    assert text in result.output


def test_serve_names_the_invalid_environment_setting(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_POLL", "often")
    result = CliRunner().invoke(serve, ["--models", ".", "--port", str(taken)])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    assert "GRAFT_POLL" in result.output


def test_serve_port_in_use_is_said(taken: int) -> None:
    result = CliRunner().invoke(serve, ["--models", ".", "--port", str(taken)])
    assert result.exit_code == 1
    assert f"port {taken}" in result.output
    assert "--port" in result.output


def test_predict_without_a_server_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "from service.cli import predict_main; predict_main()",
            "m",
            tmp_path / "a.png",
            "--url",
            url,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "`serve`" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("command", [serve, predict])
def test_every_option_of_serve_and_predict_has_help(command: object) -> None:
    assert all(getattr(one, "help", "") for one in command.params if one.param_type_name == "option")  # type: ignore[attr-defined]
