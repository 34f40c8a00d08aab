import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from finetune.dataset import Bad, Sample
from finetune.metrics import measure
from finetune.report import Outcome, Story, render, wilson, worst
from tests.fakes import picture, tiny_bundle
from zoo.manifest import Manifest

EVIL = "<script>alert('x')</script>&\"'"


class Page(HTMLParser):
    """Collects tags, text and attributes, as a browser would see them."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def story(tmp_path: Path, labels: tuple[str, ...], samples: str = "user", wrong: int = 6) -> Story:
    y = np.arange(60) % len(labels)
    scores = np.full((60, len(labels)), 0.1 / len(labels), np.float32)
    said = np.where(np.arange(60) < wrong, (y + 1) % len(labels), y)
    scores[np.arange(60), said] += np.linspace(0.9, 0.5, 60)
    scores /= scores.sum(1, keepdims=True)
    given = [Sample(f"{EVIL}/{n}.png", labels[label], None, picture("red", (40, 30))) for n, label in enumerate(y)]
    manifest = tiny_bundle(tmp_path / "models", "tiny", labels).manifest
    facts = {field: getattr(manifest, field) for field in Manifest.__slots__} | {
        "metrics": measure(scores, y, labels),
        "samples": samples,
        "head": {"kind": "logistic", "strength": 1.0, "temperature": 1.0},
        "data": {
            "source": EVIL,
            "seed": 0,
            "split": "own",
            "counts": {"train": 1, "val": 1, "test": 60},
            "skipped": 1,
        },
    }
    return Story(Manifest(**facts), Outcome(given, y, scores), (Bad(EVIL, "broken"),))


def test_every_name_is_escaped(tmp_path: Path) -> None:
    page = Page(render(story(tmp_path, (EVIL, "b", "c"))))
    assert "script" not in page.tags
    assert EVIL in page.text


def test_it_opens_without_a_network(tmp_path: Path) -> None:
    html = render(story(tmp_path, ("a", "b", "c")))
    page = Page(html)
    assert page.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert "link" not in page.tags
    assert not re.search(rb"url\(|@import|https?://(?!127\.0\.0\.1)", html)


def test_the_worst_mistakes_come_first_as_pictures(tmp_path: Path) -> None:
    told = story(tmp_path, ("a", "b", "c"))
    weights = [mistake.weight for mistake in worst(told.manifest, told.outcome)]
    assert len(weights) == 6
    assert weights == sorted(weights, reverse=True)
    page = Page(render(told))
    assert page.tags.count("img") == 6
    assert any("6 of the test samples got a wrong answer" in text for text in page.text)


def test_without_samples_there_are_neither_pictures_nor_file_names(tmp_path: Path) -> None:
    page = Page(render(story(tmp_path, ("a", "b", "c"), samples="zoo")))
    assert "img" not in page.tags
    assert not any(".png" in text for text in page.text)


def test_a_picture_that_went_away_is_left_out(tmp_path: Path) -> None:
    told = story(tmp_path, ("a", "b"))
    told.outcome.samples[0] = Sample("x", "a", None, tmp_path / "gone.png")
    assert Page(render(told)).tags.count("img") == 5


@pytest.mark.parametrize(("classes", "cells"), [(2, 2 * 2), (30, 30 * 30), (31, 0)])
def test_of_many_classes_only_the_commonest_confusions_are_listed(tmp_path: Path, classes: int, cells: int) -> None:
    html = render(story(tmp_path, tuple(f"c{n}" for n in range(classes)))).decode()
    assert len(re.findall(r'<td class="(?:right|wrong)', html)) == cells
    assert ("Commonest confusions" in html) == (cells == 0)


def test_a_flawless_model_has_a_report_too(tmp_path: Path) -> None:
    html = render(story(tmp_path, ("a", "b"), wrong=0)).decode()
    assert "No test sample got a wrong answer" in html


def test_what_it_would_get_wrong_where_it_is_sure(tmp_path: Path) -> None:
    html = render(story(tmp_path, ("a", "b"))).decode()
    assert "If it answered only where it is sure" in html
    assert "When it says" not in html


@pytest.mark.parametrize("threshold", [-2.0, 0.5, 40.0])
def test_when_it_says_unknown(tmp_path: Path, threshold: float) -> None:
    told = story(tmp_path, (EVIL, "b", "c"))
    novelty = {"kind": "energy", "threshold": threshold, "known": 0.9, "unit": 1.0, "held_out": [EVIL]}
    head = told.manifest.head | {"novelty": novelty | {"auroc": {"distance": 0.5, "energy": None}}}
    metrics = told.manifest.metrics | {"unknown": {"known": 0.8, "accuracy_known": 0.9, "accuracy_unknown": None}}
    outcome = Outcome(told.outcome.samples, told.outcome.truth, told.outcome.scores, np.linspace(-1, 3, 60))
    manifest = dataclasses.replace(told.manifest, head=head, metrics=metrics)
    page = Page(html := render(Story(manifest, outcome, ())))
    assert "script" not in page.tags
    assert not {"nan", "inf"} & set(re.findall(r"[a-z]+", html.decode().split("Novelty of the test samples")[1][:9000]))
    counts = re.findall(r"<title>(\d+) (right|wrong)</title>", html.decode())
    assert sum(int(count) for count, what in counts if what == "wrong") == 6
    assert sum(int(count) for count, _ in counts) == 60


def test_the_interval_is_wilsons() -> None:
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
