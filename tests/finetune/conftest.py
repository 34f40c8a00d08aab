"""Tiny trunks in the cache where the default backbones' would be, and folders of pictures to train on."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from finetune import cli
from tests.fakes import SIZE, WIDTH, encode, tiny_trunk_bytes
from tests.text_fakes import tiny_text_input, tiny_text_signature, tiny_text_trunk_bytes, tiny_tokenizer
from zoo import Precision, get_backbone
from zoo.backbone import DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE
from zoo.files import write_atomic
from zoo.image import ImageInput
from zoo.signature import Signature, image_signature
from zoo.trunk_cache import lookup_trunk, trunk_key, trunks_folder
from zoo.weights import known_weights_hash

COLORS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


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
        trunks_folder() / trunk_key(backbone, known_weights_hash(backbone), precision) for precision in Precision
    ]
    for precision, folder in zip(Precision, folders, strict=True):
        facts = {
            "backbone": backbone.name,
            "precision": precision,
            "weights_sha256": known_weights_hash(backbone),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "signature": asdict(signature),
            "input": spec,
        }
        write_atomic(folder / "trunk.onnx", data)
        write_atomic(folder / "trunk.json", json.dumps(facts).encode())
        # Where the cache wants more of a record, say so at once: else every test would build the real trunk.
        assert lookup_trunk(backbone, precision), "the tiny trunk's record is no record any more"
    return folders


def noisy(color: tuple[int, int, int], seed: int, format: str = "PNG") -> bytes:
    """A picture of 24x20 pixels around one colour, no two alike."""
    random = np.random.default_rng(seed)
    shade = np.asarray(color) + random.normal(0, 25, 3)
    return encode(np.clip(shade + random.normal(0, 30, (20, 24, 3)), 0, 255).astype(np.uint8), format)


def fill(folder: Path, each: int = 8, first: int = 0, format: str = "PNG") -> Path:
    """Write `each` pictures for every colour into class folders below `folder`, and return it."""
    for at, (name, color) in enumerate(COLORS.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + each):
            path = folder / name / f"{number:02}.{format.lower()}"
            path.write_bytes(noisy(color, 1000 * at + number, format))
    return folder


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three classes with eight pictures each."""
    return fill(tmp_path / "photos")


@pytest.fixture
def finetune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, run in this process; models go to tmp_path/models unless it is told otherwise."""

    def run(*arguments: object) -> Said:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["finetune", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = Said(code, *capsys.readouterr())
        assert "Traceback" not in said.err
        return said

    return run
