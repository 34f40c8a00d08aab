"""Render report.html: choose what the report shows for each task, and fill its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from finetune.data.dataset import SkippedSample
from finetune.data.task import Task
from finetune.evaluate.classification_metrics import wilson_interval
from finetune.report.charts import (
    MAX_SCATTER_POINTS,
    draw_novelty_histogram,
    draw_reliability,
    draw_residuals,
    draw_risk_coverage,
    draw_training_curves,
)
from finetune.report.render_template import render_template
from finetune.report.sample_preview import preview_sample
from finetune.report.worst_samples import ReportSamples, worst_mistakes
from graft.bundle.manifest import Manifest

METRIC_NAMES: Final = {"accuracy": "accuracy", "micro_f1": "micro F1", "rmse": "root mean squared error"}
MIN_MARKED_CHANGE: Final = 0.005  # a label whose recall or F1 fell by more is marked
MAX_MATRIX_CLASSES: Final = 30  # classes up to which the whole confusion matrix is shown
MAX_CONFUSIONS: Final = 20  # confusions that are listed for more classes than that
MAX_SKIPPED_SAMPLES: Final = 50  # skipped samples that are named
NOVELTY_SCORES: Final = {
    "distance": "distance from the nearest class, in standard deviations within a class",
    "energy": "energy: minus log-sum-exp of the logits",
}
RUN_FACTS: Final = (
    "cut",
    "epochs",
    "best_epoch",
    "stopped_by",
    "batch",
    "rate",
    "layer_decay",
    "smoothing",
    "views",
    "rank",
)


@dataclass(frozen=True, slots=True)
class ReportContent:
    """What the report shows."""

    manifest: Manifest
    test_samples: ReportSamples
    skipped_samples: tuple[SkippedSample, ...]
    findings_html: Markup = field(default_factory=Markup)  # what `finetune check` found in the data


def render_report(content: ReportContent) -> bytes:
    """Return the bytes of report.html, one file that opens without a network."""
    manifest = content.manifest
    task = Task(manifest.task)
    own_samples = manifest.samples == "user"
    return render_template(
        "report.html.jinja",
        manifest=manifest,
        task=task,
        own_samples=own_samples,
        metrics=manifest.metrics,
        findings_html=content.findings_html,
        added=_added_context(manifest),
        training=_training_context(manifest),
        mistakes=_mistakes_context(content) if own_samples and task is not Task.EMBED else None,
        model_facts=_model_facts(manifest),
        skipped_samples=content.skipped_samples[:MAX_SKIPPED_SAMPLES] if own_samples else (),
        serve_commands=_serve_commands(manifest),
        **_TASK_CONTEXTS[task](content),
    ).encode()


def _classification_context(content: ReportContent) -> dict[str, object]:
    metrics, labels = content.manifest.metrics, content.manifest.labels
    matrix = metrics["confusion"]
    small = len(labels) <= MAX_MATRIX_CLASSES
    return {
        "accuracy_interval": wilson_interval(metrics["accuracy"], metrics["samples"]),
        "confusion_rows": _confusion_rows(matrix, labels) if small else None,
        "confusions": () if small else _commonest_confusions(matrix, labels),
        "reliability_chart": draw_reliability(metrics["reliability"]),
        "classes": _weakest_first(metrics["per_class"]),
        "risk_coverage_chart": draw_risk_coverage(metrics["risk_coverage"]["curve"]),
        "unknown": _unknown_context(content),
    }


def _tagging_context(content: ReportContent) -> dict[str, object]:
    return {"classes": _weakest_first(content.manifest.metrics["per_class"])}


def _regression_context(content: ReportContent) -> dict[str, object]:
    samples, target = content.test_samples, content.manifest.labels[0]
    charts = draw_residuals(samples.truth, samples.scores[:, 0].astype(np.float64), target)
    return {"target": target, "residual_charts": charts, "max_scatter_points": MAX_SCATTER_POINTS}


def _embedding_context(_: ReportContent) -> dict[str, object]:
    return {}


_TASK_CONTEXTS: Final = {
    Task.CLASSIFY: _classification_context,
    Task.TAG: _tagging_context,
    Task.REGRESS: _regression_context,
    Task.EMBED: _embedding_context,
}


def _confusion_rows(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the rows of the confusion matrix, int [k,k], each with its label and its cells."""
    return [
        (label, [_confusion_cell(count, sum(row), is_right=at == column) for column, count in enumerate(row)])
        for at, (label, row) in enumerate(zip(labels, matrix, strict=True))
    ]


def _confusion_cell(count: int, row_sum: int, *, is_right: bool) -> dict[str, Any]:
    # A single mistake must be seen, so shades begin at a quarter.
    shade = 0.25 + 0.75 * count / row_sum if count else 0.0
    return {"count": count, "is_right": is_right, "shade": shade}


def _commonest_confusions(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return the true label, the predicted label and the count of the commonest confusions in a matrix, int [k,k]."""
    pairs = sorted(
        (
            (count, truth, predicted)
            for truth, row in enumerate(matrix)
            for predicted, count in enumerate(row)
            if count and truth != predicted
        ),
        reverse=True,
    )
    return [(labels[truth], labels[predicted], count) for count, truth, predicted in pairs[:MAX_CONFUSIONS]]


def _weakest_first(classes: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the metrics of each class or tag, the lowest F1 first, those without one last."""
    return sorted(classes.items(), key=lambda item: (item[1]["f1"] is None, item[1]["f1"] or 0.0, item[0]))


def _unknown_context(content: ReportContent) -> dict[str, object] | None:
    """Return how the head rejects samples as unknown; None where it does not."""
    samples = content.test_samples
    if samples.novelty is None:
        return None
    novelty = content.manifest.head["novelty"]
    is_correct = samples.scores.argmax(1) == samples.truth
    return {
        "score": NOVELTY_SCORES[novelty["kind"]],
        "novelty": novelty,
        "metrics": content.manifest.metrics["unknown"],
        "trials": _describe_trials(novelty["auroc"], novelty["held_out"]),
        "chart": draw_novelty_histogram(samples.novelty, is_correct, float(novelty["threshold"])),
    }


def _describe_trials(auroc: Mapping[str, float | None], held_out: Sequence[str]) -> str:
    """Return how well each novelty score told held-out classes from known ones."""
    areas = ", ".join(f"{kind} {area:.3f}" for kind, area in auroc.items() if area is not None)
    if not areas:
        return "nothing: no class could be held out"
    return f"{len(held_out)} classes held out one by one ({', '.join(held_out)}); mean AUROC: {areas}"


def _added_context(manifest: Manifest) -> dict[str, object] | None:
    """Return what adding samples did to the metrics; None for a version that nothing was added to."""
    added = manifest.metrics.get("added")
    if not added:
        return None
    return {
        **added,
        "step": manifest.data["added"][-1],
        "metric_name": METRIC_NAMES[added["metric"]],
        "rows": [(label, facts, _is_worse(facts)) for label, facts in added["labels"].items()],
    }


def _is_worse(facts: Mapping[str, Any]) -> bool:
    before, after = facts["before"], facts["after"]
    return before is not None and after is not None and after < before - MIN_MARKED_CHANGE


def _training_context(manifest: Manifest) -> dict[str, object] | None:
    """Return the training curves of a deeper run and its settings; None where only the head was trained."""
    facts = manifest.training
    history: Sequence[Mapping[str, float]] = facts.get("history", ())
    if not history:
        return None
    train, validation, score = ([epoch[key] for epoch in history] for key in ("loss", "val_loss", "val_score"))
    best_epoch = int(facts.get("best_epoch", 0))
    return {
        "best_epoch": best_epoch,
        "loss_chart": draw_training_curves(
            "Loss", [("train", "--soft", train), ("validation", "--good", validation)], best_epoch
        ),
        "score_chart": draw_training_curves("Score", [("validation", "--good", score)], best_epoch),
        "settings": ", ".join(
            f"{name.replace('_', ' ')} {_format_setting(facts[name])}"
            for name in RUN_FACTS
            if facts.get(name) not in (None, "")
        ),
    }


def _format_setting(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _mistakes_context(content: ReportContent) -> dict[str, object]:
    """Return the worst mistakes with previews of their samples, and how many mistakes there are in all."""
    manifest = content.manifest
    mistakes = worst_mistakes(manifest, content.test_samples)
    previews = ((one, preview_sample(one.sample, manifest.sample_kind)) for one in mistakes)
    return {
        "total": _count_mistakes(manifest),
        "worst": mistakes,
        "previews": [(one, preview) for one, preview in previews if preview],
        "are_texts": manifest.sample_kind != "image",
    }


def _count_mistakes(manifest: Manifest) -> int:
    """Return how many test samples got a wrong answer; for regression, all."""
    n = int(manifest.metrics["samples"])
    metric = {Task.CLASSIFY: "accuracy", Task.TAG: "subset_accuracy"}.get(Task(manifest.task))
    return round(n * (1 - manifest.metrics[metric])) if metric else n


def _model_facts(manifest: Manifest) -> dict[str, str]:
    data, counts = manifest.data, manifest.data["counts"]
    split = {
        "Samples": f"{counts['train']:,} training, {counts['val']:,} validation, {counts['test']:,} test",
        "Split": f"{data['split']}, seed {data['seed']}",
    }
    return {
        "Data": data["source"],
        **({} if manifest.task == Task.EMBED else split),
        "Skipped": f"{data['skipped']:,} unusable samples",
        "Backbone": f"{manifest.backbone['name']}, licence of the weights: {manifest.backbone['license']}",
        "Restrictions": manifest.backbone["restricts"] or "none known",
        "Trunk": f"{manifest.precision}, SHA-256 {manifest.trunk_sha256}",
        "Head": _describe_head(manifest),
        "Input": _describe_input(manifest),
        "Made by": f"Graft {manifest.graft}",
    }


def _describe_head(manifest: Manifest) -> str:
    head = manifest.head
    match manifest.task:
        case Task.EMBED:
            return "none"
        case Task.REGRESS:
            return f"ridge regression, penalty {head['penalty']:g}"
        case _:
            return f"{head['kind']} regression, C = {head['strength']:g}, temperature {head['temperature']:.2f}"


def _describe_input(manifest: Manifest) -> str:
    spec = manifest.input
    if manifest.sample_kind != "image":
        what = "pairs of texts" if manifest.sample_kind == "pair" else "texts"
        return f"{what}, the first {spec['max_tokens']} tokens; tokenizer.json {spec['tokenizer_sha256']}"
    return f"{spec['size']} × {spec['size']} pixels, {spec['geometry']}, {spec['interpolation']}"


def _serve_commands(manifest: Manifest) -> str:
    verb = "embed" if manifest.task == Task.EMBED else "predict"
    url = f"http://127.0.0.1:8000/v1/models/{manifest.name}:{verb}"
    sample, curl_command = {
        "image": ("picture.jpg", f"curl --data-binary @picture.jpg {url}"),
        "text": ('"a text"', f"curl -H 'Content-Type: text/plain' --data-binary 'a text' {url}"),
        "pair": (
            '"a text" "another"',
            f"""curl -H 'Content-Type: application/json' -d '{{"instances": [["a text", "another"]]}}' {url}""",
        ),
    }[manifest.sample_kind]
    predict_command = "" if verb == "embed" else f"predict {manifest.name} {sample}\n"
    return f"serve --models models\n{predict_command}{curl_command}"
