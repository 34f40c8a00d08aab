import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from finetune.data.dataset import LabeledSample, SkippedSample
from finetune.evaluate.classification_metrics import classification_metrics
from finetune.report import ReportContent, ReportSamples, render_report, worst_mistakes
from graft.bundle.manifest import Manifest
from tests.support.fakes import picture, tiny_bundle
from tests.support.html_page import EVIL, Page


def report_content(tmp_path: Path, labels: tuple[str, ...], samples: str = "user", wrong: int = 6) -> ReportContent:
    y = np.arange(60) % len(labels)
    scores = np.full((60, len(labels)), 0.1 / len(labels), np.float32)
    predicted = np.where(np.arange(60) < wrong, (y + 1) % len(labels), y)
    scores[np.arange(60), predicted] += np.linspace(0.9, 0.5, 60)
    scores /= scores.sum(1, keepdims=True)
    labeled_samples = [
        LabeledSample(f"{EVIL}/{n}.png", labels[label], None, picture("red", (40, 30))) for n, label in enumerate(y)
    ]
    manifest = tiny_bundle(tmp_path / "models", "tiny", labels).manifest
    facts = {field: getattr(manifest, field) for field in Manifest.__slots__} | {
        "metrics": classification_metrics(scores, y, labels),
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
    return ReportContent(Manifest(**facts), ReportSamples(labeled_samples, y, scores), (SkippedSample(EVIL, "broken"),))


def test_report_escapes_every_name(tmp_path: Path) -> None:
    page = Page(render_report(report_content(tmp_path, (EVIL, "b", "c"))))
    assert "script" not in page.tags
    assert EVIL in page.text


def test_report_opens_without_network(tmp_path: Path) -> None:
    html = render_report(report_content(tmp_path, ("a", "b", "c")))
    page = Page(html)
    assert page.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert "link" not in page.tags
    assert not re.search(rb"url\(|@import|https?://(?!127\.0\.0\.1)", html)


def test_worst_labeled_samplescome_first_as_images(tmp_path: Path) -> None:
    content = report_content(tmp_path, ("a", "b", "c"))
    weights = [mistake.severity for mistake in worst_mistakes(content.manifest, content.test_samples)]
    assert len(weights) == 6
    assert weights == sorted(weights, reverse=True)
    page = Page(render_report(content))
    assert page.tags.count("img") == 6
    assert any("6 of the test samples were predicted wrongly" in text for text in page.text)


def test_report_no_labeled_sampleshas_neither_images_nor_file_names(tmp_path: Path) -> None:
    page = Page(render_report(report_content(tmp_path, ("a", "b", "c"), samples="zoo")))
    assert "img" not in page.tags
    assert not any(".png" in text for text in page.text)


def test_worst_sample_that_was_deleted_is_left_out(tmp_path: Path) -> None:
    content = report_content(tmp_path, ("a", "b"))
    content.test_samples.samples[0] = LabeledSample("x", "a", None, tmp_path / "gone.png")
    assert Page(render_report(content)).tags.count("img") == 5


@pytest.mark.parametrize(("classes", "cells"), [(2, 2 * 2), (30, 30 * 30), (31, 0)])
def test_confusion_matrix_of_many_classes_becomes_a_list(tmp_path: Path, classes: int, cells: int) -> None:
    html = render_report(report_content(tmp_path, tuple(f"c{n}" for n in range(classes)))).decode()
    assert len(re.findall(r'<td class="(?:right|wrong)', html)) == cells
    assert ("Commonest confusions" in html) == (cells == 0)


def test_report_of_a_flawless_model(tmp_path: Path) -> None:
    html = render_report(report_content(tmp_path, ("a", "b"), wrong=0)).decode()
    assert "No test sample was predicted wrongly" in html


def test_report_has_the_risk_coverage_section(tmp_path: Path) -> None:
    html = render_report(report_content(tmp_path, ("a", "b"))).decode()
    assert "Risk and coverage" in html
    assert "Unknown samples" not in html


@pytest.mark.parametrize("threshold", [-2.0, 0.5, 40.0])
def test_report_has_the_unknown_section(tmp_path: Path, threshold: float) -> None:
    content = report_content(tmp_path, (EVIL, "b", "c"))
    novelty = {"kind": "energy", "threshold": threshold, "known": 0.9, "unit": 1.0, "held_out": [EVIL]}
    head = content.manifest.head | {"novelty": novelty | {"auroc": {"distance": 0.5, "energy": None}}}
    metrics = content.manifest.metrics | {"unknown": {"known": 0.8, "accuracy_known": 0.9, "accuracy_unknown": None}}
    test_samples = ReportSamples(
        content.test_samples.samples, content.test_samples.truth, content.test_samples.scores, np.linspace(-1, 3, 60)
    )
    manifest = dataclasses.replace(content.manifest, head=head, metrics=metrics)
    page = Page(html := render_report(ReportContent(manifest, test_samples, ())))
    assert "script" not in page.tags
    assert not {"nan", "inf"} & set(re.findall(r"[a-z]+", html.decode().split("Novelty of the test samples")[1][:9000]))
    counts = re.findall(r"<title>(\d+) (right|wrong)</title>", html.decode())
    assert sum(int(count) for count, what in counts if what == "wrong") == 6
    assert sum(int(count) for count, _ in counts) == 60
