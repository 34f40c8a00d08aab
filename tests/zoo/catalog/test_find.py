"""Finding backbones: by word, kind, parameters, licence and source; and in order, the unknown last."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from zoo.catalog import find
from zoo.catalog.backbone import Backbone, ImageSpec, WheelSource
from zoo.catalog.find import (
    SORT_KEYS,
    BackboneKind,
    all_backbones,
    find_backbones,
    get_backbone,
    parse_param_count,
    sort_backbones,
)


def test_find_by_word_ignores_case() -> None:
    assert {"mobilenet_v2.imagenet", "mobilenet_v3_small.imagenet"} <= {
        entry.name for entry in find_backbones("MobileNet")
    }
    assert find_backbones("") == all_backbones()
    assert find_backbones("xyz") == ()


@pytest.mark.parametrize(("kind", "is_image"), [("image", True), ("text", False)])
def test_find_by_kind(kind: BackboneKind, is_image: bool) -> None:
    found = find_backbones(kind=kind)
    assert found == tuple(entry for entry in all_backbones() if isinstance(entry.takes, ImageSpec) is is_image)
    assert 0 < len(found) < len(all_backbones())


def test_find_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'image' or 'text', not 'sound'"):
        find_backbones(kind="sound")  # type: ignore[arg-type]


def test_find_by_source_and_license_ignores_case() -> None:
    assert {type(entry.source) for entry in find_backbones(source="Wheel")} == {WheelSource}
    assert {entry.library for entry in find_backbones(source="keras.applications")} == {"keras.applications"}
    assert {entry.license for entry in find_backbones(license="mit")} == {"MIT"}
    assert find_backbones("resnet50", license="Apache-2.0", source="keras.applications") == ()


@pytest.mark.parametrize("most", [5_000_000, "5M", "5000k", "0.005B", "5000000"])
def test_find_by_max_params(most: int | str) -> None:
    found = find_backbones(max_params=most)
    assert get_backbone("mobilenet_v2") in found
    assert get_backbone("vgg16") not in found
    assert get_backbone("mobilenet_v2") in find_backbones(max_params=get_backbone("mobilenet_v2").params)


@pytest.mark.parametrize("text", ["", "M", "ten", "1,5M", "-3", "5 T", "1e6"])
def test_invalid_parameter_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 10M, 500k"):
        parse_param_count(text)


UNKNOWN = {"params": "params", "size": "megabytes", "top1": "top1", "width": "width"}


@pytest.mark.parametrize("order", SORT_KEYS)
def test_sort_puts_unknown_values_last(order: str) -> None:
    known = [get_backbone("vgg16"), get_backbone("mobilenet_v2"), get_backbone("resnet50")]
    lacking = replace(get_backbone("mobilenet_v3_small"), **{UNKNOWN[order]: None})
    *first, last = sort_backbones([lacking, *known], SORT_KEYS[order])
    assert last is lacking
    values = [getattr(entry, UNKNOWN[order]) for entry in first]
    assert values == sorted(values, reverse=order == "top1")


def test_find_by_max_params_leaves_out_unknown_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking: Backbone = replace(get_backbone("mobilenet_v2"), params=None)  # type: ignore[arg-type]
    catalog = (lacking, get_backbone("vgg16"))
    monkeypatch.setattr(find, "_load_catalog", lambda: catalog)
    assert find_backbones(max_params="900B") == (get_backbone("vgg16"),)
    assert find_backbones("mobilenet") == (lacking,)


def test_zoo_find_imports_nothing_heavy() -> None:
    script = (
        "import sys, zoo; found = zoo.find_backbones('net', kind='image', max_params='10M'); assert found;"
        "assert zoo.get_backbone('resnet50.imagenet').width == 2048; print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"tensorflow", "keras", "keras_hub", "torch", "sklearn", "numpy", "onnxruntime", "onnx", "click"}
    assert not {name.split(".")[0] for name in ran.stdout.split()} & heavy


def test_all_backbones_can_be_called_twice() -> None:
    """Once the first call imported a package of the function's own name, and the second one called that package."""
    script = "import zoo; assert zoo.all_backbones() is zoo.all_backbones() and len(zoo.all_backbones()) > 100"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
