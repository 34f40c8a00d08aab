"""Tiny trunks in the cache where the default backbones' would be, and folders of pictures to train on."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from finetune.cli.main import main
from finetune.features import memmap_rows
from graft.bundle.signature import Signature, image_signature
from graft.inputs.image import ImageInput
from graft.storage.atomic_file import write_atomic
from tests.support.class_folders import fill
from tests.support.commands import CommandResult, RunCommand
from tests.support.fakes import SIZE, WIDTH, tiny_trunk_bytes
from tests.support.text_fakes import tiny_text_input, tiny_text_signature, tiny_text_trunk_bytes, tiny_tokenizer
from zoo import Precision, get_backbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE
from zoo.trunks.trunk_cache import lookup_trunk, trunk_key, trunks_folder
from zoo.weights.weights_cache import expected_weights_hash


@pytest.fixture(autouse=True)
def _tiny_trunks(_own_world: None) -> None:
    """Put the tiny trunks into this test's cache, so that every command finds them there."""
    image, text = image_signature(SIZE, WIDTH), tiny_text_signature()
    _cached(DEFAULT_IMAGE_BACKBONE, tiny_trunk_bytes(size=SIZE), image, ImageInput(SIZE).spec())
    folders = _cached(DEFAULT_TEXT_BACKBONE, tiny_text_trunk_bytes(), text, tiny_text_input().spec())
    for folder in folders:
        write_atomic(folder / "tokenizer.json", tiny_tokenizer())


def _cached(name: str, data: bytes, signature: Signature, spec: dict) -> list[Path]:
    backbone = get_backbone(name)
    folders = [
        trunks_folder() / trunk_key(backbone, expected_weights_hash(backbone), precision) for precision in Precision
    ]
    for precision, folder in zip(Precision, folders, strict=True):
        facts = {
            "backbone": backbone.name,
            "precision": precision,
            "weights_sha256": expected_weights_hash(backbone),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "signature": asdict(signature),
            "input": spec,
        }
        write_atomic(folder / "trunk.onnx", data)
        write_atomic(folder / "trunk.json", json.dumps(facts).encode())
        # Fail at once if the cache does not accept the record: else every test would build the real trunk.
        assert lookup_trunk(backbone, precision), "the tiny trunk's record is not a valid record any more"
    return folders


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three classes with eight pictures each."""
    return fill(tmp_path / "photos")


@pytest.fixture
def finetune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """The command, run in this process; models go to tmp_path/models unless --models says otherwise."""

    def run(*arguments: object) -> CommandResult:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["finetune", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        assert code in (0, 1, 2), f"status {code} is none that `graft.cli.run_cli` explains"
        return CommandResult(code, *capsys.readouterr())

    return run


@pytest.fixture
def in_chunks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on all features count as large, and a chunk is 100 rows of 12 features."""

    def begin() -> None:
        monkeypatch.setattr(memmap_rows, "MAX_BYTES_IN_MEMORY", 0)
        monkeypatch.setattr(memmap_rows, "CHUNK_BYTES", 100 * 12 * 4)

    return begin
