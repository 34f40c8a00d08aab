"""What is said of KerasHub's and KerasCV's presets: theirs where they say it, proven where it is ours, or unknown."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.zoo.presets import keras_hub
from tests.zoo.true_sizes import IMAGES
from zoo import trunk_cache
from zoo.backbone import Backbone, FileSource, Pixels, Precision, Scaling, Tokens, get
from zoo.catalog import cv, hub
from zoo.catalog.families import HUB
from zoo.catalog.preset import families, rows
from zoo.cli import cli
from zoo.errors import TrunkError
from zoo.possible import MOST_BYTES, reason_against
from zoo.progress import Silence

REGENERATE = """
import sys
from pathlib import Path
from zoo.build.hub_table import tables
for name, data in tables().items():
    (Path(sys.argv[1]) / name).write_bytes(data)
"""
PICTURES = [entry for entry in hub.TABLE if isinstance(entry.takes, Pixels)]


def test_the_tables_are_what_the_installed_libraries_say(tmp_path: Path) -> None:
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run([sys.executable, "-c", REGENERATE, str(tmp_path)], check=True, capture_output=True, env=quiet)
    folder = Path(hub.__file__).parent
    for name in ("hub.json", "cv.json"):
        again = "They differ: run python -m zoo.build.hub_table, and read what has changed."
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), again


def test_there_are_at_least_150_and_every_family_has_some() -> None:
    assert len(hub.TABLE) >= 150
    assert {row["family"] for row in rows("hub.json")} == HUB.keys()
    assert len(PICTURES) >= 100
    assert len(cv.TABLE) == 19


def test_addresses_are_the_ones_kagglehub_would_ask() -> None:
    from kagglehub.config import DEFAULT_KAGGLE_API_ENDPOINT
    from kagglehub.handle import parse_model_handle
    from kagglehub.http_resolver import _build_model_download_request

    handles = {row["name"]: row["handle"] for file in ("hub.json", "cv.json") for row in rows(file)}
    for entry in (*hub.TABLE, *cv.TABLE):
        assert isinstance(entry.source, FileSource)
        handle = parse_model_handle(handles[entry.name])
        for file in entry.source.files:
            asked = _build_model_download_request(handle, file.path)
            path = asked.endpoint().replace(asked.framework.name, handle.framework)
            assert file.url == DEFAULT_KAGGLE_API_ENDPOINT + path
            assert file.sha256 is None  # none is published
        assert entry.source.files[0].path == "model.weights.h5"


@pytest.mark.parametrize("entry", PICTURES, ids=lambda entry: entry.name)
def test_what_only_the_preset_tells_is_unknown(entry: Backbone) -> None:
    assert isinstance(entry.takes, Pixels)
    assert (entry.takes.size, entry.takes.scaling) == (None, Scaling.PRESET)
    assert entry.builder == f"hub:preset:{entry.takes.pooling}"
    assert entry.precision is Precision.FP32
    # A number of parameters and a width are told where they were counted, and nowhere else.
    assert (entry.params is not None) == (entry.name in IMAGES and not entry.name.startswith("resnet_v2"))
    assert entry.width is None or entry.name in IMAGES


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Layer 'attn':UserWarning")  # Swin's windows carry a mask along
@pytest.mark.parametrize("name", IMAGES)
def test_width_and_parameters_are_those_of_the_published_layers(name: str) -> None:
    import keras

    family = families("hub.json")[name]
    with keras.StatelessScope(initialize_variables=False):  # shapes without memory
        model = getattr(keras_hub().models, family)(**IMAGES[name])
    entry = get(name)
    assert model.output.shape[-1] == entry.width
    if entry.params is not None:
        assert sum(math.prod(weight.shape) for weight in model.weights) == entry.params


def test_too_large_ones_and_those_that_cannot_be_built_are_refused_by_name_before_any_fetch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")  # a fetch would be another error
    refused = {entry.name: reason_against(entry) for entry in (*hub.TABLE, *cv.TABLE) if reason_against(entry)}
    assert {"vit_huge_patch14_224.imagenet21k", "dinov3_vit_7b.lvd1689m", "xlm_roberta_large.multi"} <= refused.keys()
    assert {"t5_1_1_xl.c4", "t5_1_1_xxl.c4"} <= refused.keys()
    assert "t5_large.multi" not in refused  # which with its decoder would be too large
    assert "efficientnet_b1_ft_imagenet" in str(refused["efficientnet_el.ra_imagenet"])
    for name, reason in refused.items():
        with pytest.raises(TrunkError, match=name):
            trunk_cache.ensure(get(name), Precision.FP32, Silence())
        said = CliRunner().invoke(cli, ["show", name]).stdout
        assert f"none can be made: {reason}" in said
    fine = [entry.params for entry in hub.TABLE if entry.params and entry.name not in refused]
    assert 4 * max(fine) <= MOST_BYTES


def test_show_and_list_say_unknown() -> None:
    said = CliRunner().invoke(cli, ["show", "resnet_50"]).stdout
    assert "output        float32 [n,2048]" in said
    assert "license       Apache-2.0" in said
    assert "fits a CPU    yes" in said
    row = CliRunner().invoke(cli, ["list", "csp_resnet_50"]).stdout.splitlines()[1]
    assert row.split()[1:5] == ["unknown"] * 4


def test_how_many_bytes_are_expected_at_most() -> None:
    assert get("bert_tiny.en_uncased").most_bytes == 35_600_000
    assert get("siglip_base_patch16_224").most_bytes > 8 * 203_156_230
    assert get("densenet121.cv_imagenet").most_bytes == 4 << 30  # nothing is known
    assert isinstance(get("bert_tiny.en_uncased").takes, Tokens)
