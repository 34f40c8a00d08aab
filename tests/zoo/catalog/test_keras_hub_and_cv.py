"""What is said of KerasHub's and KerasCV's presets: theirs where they say it, proven where it is ours, or unknown."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from graft.errors import TrunkError
from graft.progress import SilentProgress
from tests.support.presets.keras_hub_text_presets import keras_hub
from tests.support.presets.published_layers import IMAGES
from zoo.catalog import keras_cv_backbones, keras_hub_backbones
from zoo.catalog.backbone import (
    MAX_ONNX_BYTES,
    Backbone,
    FileSource,
    ImageSpec,
    Precision,
    Scaling,
    TextSpec,
    unsupported_reason,
)
from zoo.catalog.find import get_backbone
from zoo.catalog.presets import HUB_FAMILIES, families, read_preset_rows
from zoo.cli.main import cli
from zoo.trunks import trunk_cache

REGENERATE = """
import sys
from pathlib import Path
from tools.catalog.hub_table import render_presets
for name, data in render_presets().items():
    (Path(sys.argv[1]) / name).write_bytes(data)
"""
PICTURES = [entry for entry in keras_hub_backbones.BACKBONES if isinstance(entry.takes, ImageSpec)]


def test_keras_hub_tables_are_up_to_date(tmp_path: Path) -> None:
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run([sys.executable, "-c", REGENERATE, str(tmp_path)], check=True, capture_output=True, env=quiet)
    folder = Path(keras_hub_backbones.__file__).parent
    for name in ("hub.json", "cv.json"):
        again = "They differ: run python -m tools.catalog.hub_table, and read what has changed."
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), again


def test_keras_hub_catalog_has_150_presets_of_every_family() -> None:
    assert len(keras_hub_backbones.BACKBONES) >= 150
    assert {row["family"] for row in read_preset_rows("hub.json")} == HUB_FAMILIES.keys()
    assert len(PICTURES) >= 100
    assert len(keras_cv_backbones.BACKBONES) == 19


def test_keras_hub_urls_equal_kagglehub() -> None:
    from kagglehub.config import DEFAULT_KAGGLE_API_ENDPOINT
    from kagglehub.handle import parse_model_handle
    from kagglehub.http_resolver import _build_model_download_request

    handles = {row["name"]: row["handle"] for file in ("hub.json", "cv.json") for row in read_preset_rows(file)}
    for entry in (*keras_hub_backbones.BACKBONES, *keras_cv_backbones.BACKBONES):
        assert isinstance(entry.source, FileSource)
        handle = parse_model_handle(handles[entry.name])
        for file in entry.source.files:
            asked = _build_model_download_request(handle, file.path)
            path = asked.endpoint().replace(asked.framework.name, handle.framework)
            assert file.url == DEFAULT_KAGGLE_API_ENDPOINT + path
            assert file.sha256 is None  # none is published
        assert entry.source.files[0].path == "model.weights.h5"


@pytest.mark.parametrize("entry", PICTURES, ids=lambda entry: entry.name)
def test_keras_hub_facts_only_in_the_preset_are_unknown(entry: Backbone) -> None:
    assert isinstance(entry.takes, ImageSpec)
    assert (entry.takes.size, entry.takes.scaling) == (None, Scaling.PRESET)
    assert entry.builder == f"hub:preset:{entry.takes.pooling}"
    assert entry.precision is Precision.FP32
    # A number of parameters and a width are told where they were counted, and nowhere else.
    assert (entry.params is not None) == (entry.name in IMAGES and not entry.name.startswith("resnet_v2"))
    assert entry.width is None or entry.name in IMAGES


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Layer 'attn':UserWarning")  # Swin's windows carry a mask along
@pytest.mark.parametrize("name", IMAGES)
def test_keras_hub_width_and_params_equal_the_published_layers(name: str) -> None:
    import keras

    family = families("hub.json")[name]
    with keras.StatelessScope(initialize_variables=False):  # shapes without memory
        model = getattr(keras_hub().models, family)(**IMAGES[name])
    entry = get_backbone(name)
    assert model.output.shape[-1] == entry.width
    if entry.params is not None:
        assert sum(math.prod(weight.shape) for weight in model.weights) == entry.params


def test_keras_hub_unbuildable_presets_are_refused_before_fetching(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")  # a fetch would be another error
    refused = {
        entry.name: unsupported_reason(entry)
        for entry in (*keras_hub_backbones.BACKBONES, *keras_cv_backbones.BACKBONES)
        if unsupported_reason(entry)
    }
    assert {"vit_huge_patch14_224.imagenet21k", "dinov3_vit_7b.lvd1689m", "xlm_roberta_large.multi"} <= refused.keys()
    assert {"t5_1_1_xl.c4", "t5_1_1_xxl.c4"} <= refused.keys()
    assert "t5_large.multi" not in refused  # which with its decoder would be too large
    assert "efficientnet_b1_ft_imagenet" in str(refused["efficientnet_el.ra_imagenet"])
    for name, reason in refused.items():
        with pytest.raises(TrunkError, match=name):
            trunk_cache.ensure_trunk(get_backbone(name), Precision.FP32, SilentProgress())
        message = CliRunner().invoke(cli, ["show", name]).stdout
        assert f"none can be built: {reason}" in message
    fine = [entry.params for entry in keras_hub_backbones.BACKBONES if entry.params and entry.name not in refused]
    assert 4 * max(fine) <= MAX_ONNX_BYTES


def test_keras_hub_show_and_list_say_unknown() -> None:
    message = CliRunner().invoke(cli, ["show", "resnet_50"]).stdout
    assert "output        float32 [n,2048]" in message
    assert "license       Apache-2.0" in message
    assert "fits a CPU    yes" in message
    row = CliRunner().invoke(cli, ["list", "csp_resnet_50"]).stdout.splitlines()[1]
    assert row.split()[1:5] == ["unknown"] * 4


def test_keras_hub_download_size_limit() -> None:
    assert get_backbone("bert_tiny.en_uncased").max_file_bytes == 35_600_000
    assert get_backbone("siglip_base_patch16_224").max_file_bytes > 8 * 203_156_230
    assert get_backbone("densenet121.cv_imagenet").max_file_bytes == 4 << 30  # nothing is known
    assert isinstance(get_backbone("bert_tiny.en_uncased").takes, TextSpec)
