"""`zoo list` with its filters, orders and forms."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from zoo.catalog import find
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE
from zoo.catalog.find import all_backbones, get_backbone
from zoo.cli.main import cli
from zoo.weights import lockfile


def zoo_list(*words: str) -> Result:
    return CliRunner().invoke(cli, ("list", *words))


def names(*words: str) -> list[str]:
    return zoo_list(*words, "--names").stdout.split()


def test_list_names_prints_names_only() -> None:
    assert names() == [entry.name for entry in all_backbones()]


def test_list_filters_combine() -> None:
    found = [get_backbone(name) for name in names("--kind", "image", "--max-params", "5M", "--license", "apache-2.0")]
    assert get_backbone("mobilenet_v2") in found
    assert all(entry.params <= 5_000_000 and entry.license == "Apache-2.0" for entry in found)


def test_list_sort_order_holds_in_every_format() -> None:
    by_accuracy = names("--kind", "image", "--sort", "top1")
    accuracies = [get_backbone(name).top1 or 0 for name in by_accuracy]
    assert accuracies == sorted(accuracies, reverse=True)
    facts = json.loads(zoo_list("--kind", "image", "--sort", "top1", "--json").stdout)
    assert [fact["name"] for fact in facts] == by_accuracy
    rows = zoo_list("--kind", "image", "--sort", "top1").stdout.splitlines()[1 : 1 + len(by_accuracy)]
    assert [row.split()[0] for row in rows] == by_accuracy


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--license", "mti"), "did you mean MIT? there are"),
        (("--source", "keras.aplications"), "did you mean keras.applications?"),
        (("--source", "xyz"), "keras-hub, keras.applications"),
        (("--max-params", "many"), "write 10M, 500k, 1.2B"),
    ],
)
def test_list_unknown_filter_value_names_the_known_ones(words: tuple[str, ...], message: str) -> None:
    ran = zoo_list(*words)
    assert ran.exit_code == 2
    assert message in " ".join(ran.stderr.split())


def test_list_looks_for_the_lockfile_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    monkeypatch.setattr(lockfile, "find_lockfile", lambda: looked.append(1))
    for form in ((), ("--json",), ("--fast",), ("--names",)):
        looked.clear()
        assert zoo_list(*form).exit_code == 0
        assert len(looked) <= 1


def test_list_unknown_word_names_the_nearest() -> None:
    ran = zoo_list("resnt50")
    assert (ran.stdout, ran.exit_code) == ("", 0)
    assert "has 'resnt50' in its name. Did you mean resnet50 or resnet_50 or resnet50_v2? `zoo list`" in ran.stderr
    assert (
        "none of the 11 backbones with 'minilm' in the name matches all of the options"
        in zoo_list("minilm", "--kind", "image").stderr
    )


def test_list_without_results_says_so_on_stderr() -> None:
    ran = zoo_list("zzz", "--kind", "text")
    assert (ran.stdout, ran.exit_code) == ("", 0)
    assert "`zoo list` shows all" in ran.stderr
    assert zoo_list("zzz", "--json").stdout.strip() == "[]"


def test_list_says_unknown_and_never_hides_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = replace(get_backbone("mobilenet_v2"), megabytes=None, width=None, top1=None, params=None)  # type: ignore[arg-type]
    catalog = (get_backbone(DEFAULT_IMAGE_BACKBONE), lacking)
    monkeypatch.setattr(find, "_load_catalog", lambda: catalog)
    for order in ("name", "params", "size", "top1", "width"):
        row = zoo_list("--sort", order).stdout.splitlines()[2]
        assert row.split()[0] == lacking.name
        assert row.count("unknown") == 4
    ran = zoo_list("--max-params", "1B", "--names")
    assert ran.stdout.split() == [DEFAULT_IMAGE_BACKBONE]
    assert "left out, because their parameters are unknown: 1." in ran.stderr
