"""From a preset on a server to a text's features: KerasHub's true files, by Keras, in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from finetune.data.task import Task
from graft.errors import WeightsError
from graft.inputs.text_bytes import encode_text_sample
from tests.support.finetune.fitted_heads import choose_and_refit
from tests.support.presets.keras_hub_text_presets import preset_files_by_url, save_preset
from tests.support.presets.text_preset_names import QUICK_TEXT_PRESETS, SLOW_TEXT_PRESETS
from tests.support.zoo.file_server import faulty_server
from zoo.catalog.backbone import Backbone, Precision
from zoo.catalog.find import get_backbone
from zoo.sample_inputs import SAMPLE_SENTENCES
from zoo.trunks import trunk_cache
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

# TensorFlow's tensors and Keras' reading of them do not agree with NumPy 2 yet.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are using a softmax"),
    pytest.mark.filterwarnings("ignore:Layer '(self|cross)_attention' .of type T5:UserWarning"),
]


@pytest.mark.parametrize(
    "name", [*QUICK_TEXT_PRESETS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_TEXT_PRESETS)]
)
def test_text_trunks_are_built_for_every_family(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = get_backbone(name)
    save_preset(entry, tmp_path / "preset")
    with faulty_server() as server:
        server.files = preset_files_by_url(entry, tmp_path / "preset")
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        trunks = {precision: Trunk.from_backbone(entry, precision) for precision in Precision}
        assert [path for path, *_ in server.requests] == list(server.files)  # each file once, and no other
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    assert Trunk.from_backbone(entry, Precision.FP32).sha256 == trunks[Precision.FP32].sha256
    assert all(part.is_intact() for part in weights_cache.weights_files(entry))
    features = {precision: features_of(trunk, entry) for precision, trunk in trunks.items()}
    assert cosines(*features.values()).min() > 0.97
    assert trunks[Precision.INT8].path.stat().st_size < trunks[Precision.FP32].path.stat().st_size
    assert all(probe_accuracy(trunk) >= 0.8 for trunk in trunks.values())


def probe_accuracy(trunk: Trunk) -> float:
    """Share of 32 unseen texts that a probe on a random encoder tells apart: a word repeated, or another."""
    y = np.arange(128) % 2
    rests = [SAMPLE_SENTENCES[at // 2 % 15][: 5 + at % 7] for at in range(128)]
    texts = [f"{('cat', 'moon')[label]} " * 3 + rest for label, rest in zip(y, rests, strict=True)]
    x = trunk(trunk.inputs.batch([trunk.inputs(encode_text_sample(text)) for text in texts]))
    head = choose_and_refit(Task.CLASSIFY, x[:64], y[:64], x[64:96], y[64:96])
    return float(((x[96:] @ head.weights.T + head.bias).argmax(1) == y[96:]).mean())


def features_of(trunk: Trunk, entry: Backbone) -> NDArray[np.float32]:
    """Features [16,d] of the zoo's sentences; each alone must get what it gets among the others."""
    samples = [trunk.inputs(encode_text_sample(sentence)) for sentence in SAMPLE_SENTENCES]
    together = trunk(trunk.inputs.batch(samples))
    alone = np.concatenate([trunk(trunk.inputs.batch([sample])) for sample in samples])
    assert together.shape == (16, entry.width)
    assert cosines(alone, together).min() >= 0.9999
    assert len({row.tobytes() for row in alone}) == 16  # and what it gets depends on the sentence
    return together


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n,d] and [n,d] -> [n]."""
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"hidden_dim": 64}, "width 64, not 128"),
        ({"max_sequence_length": 100}, "100 positions for 512 tokens"),
        ({"vocabulary": 50}, "embeddings of 50 tokens"),
    ],
)
def test_text_trunk_refuses_weights_of_another_network(sizes: dict[str, int], message: str, tmp_path: Path) -> None:
    from zoo.convert.text_trunk import build_text_trunk

    save_preset(get_backbone("bert_tiny.en_uncased"), tmp_path, **sizes)
    with pytest.raises(WeightsError, match=message):
        build_text_trunk(get_backbone("bert_tiny.en_uncased"), tmp_path / "model.weights.h5")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("config.json", b"[]"),
        ("config.json", b"{"),
        ("config.json", b"5"),
        ("config.json", json.dumps({"registered_name": "keras_hub>BertBackbone"}).encode()),
        ("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(500)),
    ],
)
def test_text_trunk_refuses_damaged_preset_files(path: str, content: bytes, tmp_path: Path) -> None:
    from zoo.convert.text_trunk import build_text_trunk

    save_preset(get_backbone("bert_tiny.en_uncased"), tmp_path)
    (tmp_path / path).write_bytes(content)
    with pytest.raises(WeightsError, match=r"does not hold bert_tiny\.en_uncased .*Pull it again"):
        build_text_trunk(get_backbone("bert_tiny.en_uncased"), tmp_path / "model.weights.h5")


def test_text_trunk_refuses_weights_with_a_missing_matrix(tmp_path: Path) -> None:
    from zoo.convert.text_trunk import build_text_trunk

    save_preset(get_backbone("bert_tiny.en_uncased"), tmp_path)
    with h5py.File(tmp_path / "model.weights.h5", "r+") as file:
        paths: list[str] = []
        file.visititems(lambda path, item: paths.append(path) if item.__class__ is h5py.Dataset else None)
        del file[next(path for path in paths if "query_dense" in path)]
    with pytest.raises(WeightsError, match=r"does not hold bert_tiny\.en_uncased"):
        build_text_trunk(get_backbone("bert_tiny.en_uncased"), tmp_path / "model.weights.h5")


@pytest.mark.slow
def test_text_trunk_build_error_reaches_the_user_and_caches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = get_backbone("bert_tiny.en_uncased")
    save_preset(entry, tmp_path / "preset", hidden_dim=64)
    with faulty_server() as server:
        server.files = preset_files_by_url(entry, tmp_path / "preset")
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        with pytest.raises(WeightsError, match="width 64, not 128"):
            Trunk.from_backbone(entry, Precision.FP32)
    assert trunk_cache.lookup_trunk(entry, Precision.FP32) is None
    assert not list(trunk_cache.trunks_folder().glob(".*draft-*"))
