"""Finding backbones: by word, kind, parameters, licence and source; and in order, the unknown last."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

import zoo
from zoo.backbone import Backbone, Pixels, WheelSource, catalog, get
from zoo.finding import ORDERS, count_of, find, ordered


def test_a_word_is_looked_for_whatever_its_case() -> None:
    assert {"mobilenet_v2.imagenet", "mobilenet_v3_small.imagenet"} <= {entry.name for entry in find("MobileNet")}
    assert find("") == catalog()
    assert find("xyz") == ()


@pytest.mark.parametrize(("kind", "is_image"), [("image", True), ("text", False)])
def test_kind(kind: zoo.finding.Kind, is_image: bool) -> None:
    found = find(kind=kind)
    assert found == tuple(entry for entry in catalog() if isinstance(entry.takes, Pixels) is is_image)
    assert 0 < len(found) < len(catalog())


def test_a_kind_there_is_not() -> None:
    with pytest.raises(ValueError, match="'image' or 'text', not 'sound'"):
        find(kind="sound")  # type: ignore[arg-type]


def test_source_and_licence_in_any_case() -> None:
    assert {type(entry.source) for entry in find(source="Wheel")} == {WheelSource}
    assert {entry.library for entry in find(source="keras.applications")} == {"keras.applications"}
    assert {entry.license for entry in find(license="mit")} == {"MIT"}
    assert find("resnet50", license="Apache-2.0", source="keras.applications") == ()


@pytest.mark.parametrize("most", [5_000_000, "5M", "5000k", "0.005B", "5000000"])
def test_parameters(most: int | str) -> None:
    found = find(max_params=most)
    assert get("mobilenet_v2") in found
    assert get("vgg16") not in found
    assert get("mobilenet_v2") in find(max_params=get("mobilenet_v2").params)


@pytest.mark.parametrize("text", ["", "M", "ten", "1,5M", "-3", "5 T", "1e6"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="write 10M, 500k"):
        count_of(text)


UNKNOWN = {"params": "params", "size": "megabytes", "top1": "top1", "width": "width"}


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_puts_the_unknown_last(order: str) -> None:
    known = [get("vgg16"), get("mobilenet_v2"), get("resnet50")]
    lacking = replace(get("mobilenet_v3_small"), **{UNKNOWN[order]: None})
    *first, last = ordered([lacking, *known], ORDERS[order])
    assert last is lacking
    values = [getattr(entry, UNKNOWN[order]) for entry in first]
    assert values == sorted(values, reverse=order == "top1")


def test_what_is_unknown_is_not_of_at_most_so_many_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking: Backbone = replace(get("mobilenet_v2"), params=None)  # type: ignore[arg-type]
    monkeypatch.setattr("zoo.catalog.CATALOG", (lacking, get("vgg16")))
    assert find(max_params="900B") == (get("vgg16"),)
    assert find("mobilenet") == (lacking,)


def test_python_finds_without_anything_heavy() -> None:
    script = (
        "import sys, zoo; found = zoo.find('net', kind='image', max_params='10M'); assert found;"
        "assert zoo.get('resnet50.imagenet').width == 2048; print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"tensorflow", "keras", "keras_hub", "torch", "sklearn", "numpy", "onnxruntime", "onnx", "click"}
    assert not {name.split(".")[0] for name in ran.stdout.split()} & heavy
