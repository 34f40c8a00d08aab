"""Labelled texts, tables of them, and the bundle of a run with --json."""

import json
from pathlib import Path

import numpy as np

from graft.bundle.head_runner import concat_outputs
from graft.bundle.open_bundle import Bundle, open_bundle
from graft.bundle.replay import replay
from graft.inputs.open_input import open_input
from graft.runtime.session import open_session
from tests.support.text_fakes import WORDS


def texts(n: int, seed: int = 0) -> list[tuple[str, str]]:
    """Texts in which "good" or "bad" decides the label, of very different lengths, no two alike."""
    pick = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        word = ("good", "bad")[number % 2]
        others = pick.choice(WORDS[:3] + WORDS[5:], pick.integers(1, 4))
        rows.append((f"{f'{word} ' * int(pick.integers(3, 7))}{' '.join(others)} {number}", word))
    return rows


def table(tmp_path: Path, header: str, rows: list[tuple[str, ...]]) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *(",".join(f'"{cell}"' for cell in row) for row in rows)]))
    return path


def open_and_replay(output: str) -> Bundle:
    """The bundle of a run with --json, by its `output`, replayed from nothing but its own files."""
    bundle = open_bundle(Path(json.loads(output)["path"]))
    layout, manifest = bundle.layout, bundle.manifest
    tokenizer = layout.tokenizer.read_bytes() if layout.tokenizer.is_file() else None
    trunk = open_session(layout.trunk)
    head = open_session(layout.head) if layout.head.is_file() else None
    replay(
        bundle.read_golden(),
        manifest,
        open_input(manifest.input, tokenizer),
        lambda arrays: trunk.run(None, dict(arrays))[0],
        (lambda features: concat_outputs(head.run(None, {"features": features}))) if head else None,
    )
    return bundle
