"""Printed output of `predict`: a table, or a summary of many samples; one JSON object with --json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from graft.errors import GraftError
from graft.inputs.sample_files import printable_path
from service.answers import Candidate, Prediction, Tags, Value
from service.predict.inputs import PredictSample, SampleValue, SingleSample
from service.predict.run import PredictionOutcome, Predictor

MAX_TEXT_WIDTH: Final = 40  # characters of a text in the table
MAX_TABLE_SAMPLES: Final = 40  # more samples are summarized
SUMMARY_SAMPLES: Final = 10  # lines of samples in a summary
SUMMARY_LABELS: Final = 20  # lines of labels in a summary


class TableOutput:
    """Prints a line for each sample with its answer, the best label first; of many samples, a summary."""

    def __init__(self, full_output_hint: str = "--csv OUT.csv, or --json") -> None:
        """Initialize; `full_output_hint` tells at the end of a summary how to get all answers."""
        self._full_output_hint = full_output_hint
        self._rows: list[tuple[str, str]] = []
        self._failures: list[tuple[str, str]] = []
        self._label_counts: Counter[str] = Counter()
        self._value_stats: list[float] = []
        self._sample_count = 0

    def add(self, sample: PredictSample, outcome: PredictionOutcome) -> None:
        """Add one sample; memory does not grow with the number of samples."""
        self._sample_count += 1
        if len(self._rows) < MAX_TABLE_SAMPLES:
            self._rows.append(_format_row(sample, outcome))
        match outcome:
            case Prediction():
                self._label_counts[outcome.label] += 1
            case Tags():
                self._label_counts.update([one.label for one in outcome.tags] or ["(no tag)"])
            case Value():
                self._value_stats = _update_stats(self._value_stats, outcome.value)
            case GraftError():
                self._label_counts["(no answer)"] += 1
                self._failures += [_format_row(sample, outcome)] if len(self._failures) < SUMMARY_SAMPLES else []

    def lines(self) -> Iterator[str]:
        """Yield the lines to print at the end."""
        rows = self._summary_lines() if self._sample_count > MAX_TABLE_SAMPLES else _align_rows(self._rows)
        return (f"{row}\n" for row in rows)

    def _summary_lines(self) -> list[str]:
        parts = [
            f"{self._sample_count:,} samples",
            *_indent_rows(self._share_rows()),
            "the first:",
            *_indent_rows(self._rows[:SUMMARY_SAMPLES]),
        ]
        if self._failures:
            parts += ["without an answer:", *_indent_rows(self._failures)]
        return [*parts, f"All of them: {self._full_output_hint}."]

    def _share_rows(self) -> list[tuple[str, str]]:
        rows = [
            (label, f"{count:>9,}  {count / self._sample_count:6.1%}")
            for label, count in self._label_counts.most_common(SUMMARY_LABELS)
        ]
        if (rest := len(self._label_counts) - len(rows)) > 0:
            rows.append(("…", f"and {rest:,} more"))
        if self._value_stats:
            low, total, high, count = self._value_stats
            rows.insert(0, ("values", f"from {low:g} to {high:g}, mean {total / count:g}"))
        return rows


class JsonOutput:
    """Prints one JSON object with a line for each prediction, named by `file`, `text`, `texts`, or `file` and `row`."""

    def __init__(self, predictor: Predictor) -> None:
        self._header = f'{{"model": {json.dumps(predictor.name)}, "version": {predictor.version}, "predictions": [\n'
        self._rows: list[str] = []

    def add(self, sample: PredictSample, outcome: PredictionOutcome) -> None:
        """Add one prediction."""
        facts = {"error": str(outcome)} if isinstance(outcome, GraftError) else asdict(outcome)
        fields = {name: fact for name, fact in facts.items() if fact is not None}
        row = json.dumps(_source_fields(sample) | fields, ensure_ascii=False)
        # A lone surrogate, from an argument that is not UTF-8, could not be printed.
        self._rows.append(row.encode(errors="replace").decode())

    def lines(self) -> Iterator[str]:
        """Yield the lines to print at the end."""
        yield self._header
        yield from (f"{row},\n" for row in self._rows[:-1])
        yield f"{self._rows[-1]}\n]}}\n"


def display_name(sample: PredictSample) -> str:
    """Return a short name of a sample: its path, the beginning of its text, or its row. No control characters."""
    if not isinstance(sample, SingleSample):
        return _replace_unprintable(f"{sample.table.path}, {sample.row.ref}")
    if isinstance(sample.value, Path):
        return _replace_unprintable(str(sample.value))
    text = _replace_unprintable(" ".join(" / ".join(_as_texts(sample.value)).split()))
    return text if len(text) <= MAX_TEXT_WIDTH else f"{text[: MAX_TEXT_WIDTH - 1]}…"


def _format_row(sample: PredictSample, outcome: PredictionOutcome) -> tuple[str, str]:
    return display_name(sample), _replace_unprintable(_format_outcome(outcome))


def _align_rows(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:{width}}  {text}" for name, text in rows]


def _indent_rows(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {line}" for line in _align_rows(rows)]


def _format_outcome(outcome: PredictionOutcome) -> str:
    match outcome:
        case GraftError():
            return f"error: {outcome}"
        case Prediction(label=label, novelty=float(novelty), threshold=float(threshold)) if novelty > threshold:
            return f"{label} (novelty {novelty:.3g}, known up to {threshold:.3g})  {_format_candidates(outcome.top)}"
        case Prediction():
            return _format_candidates(outcome.top)
        case Tags():
            return _format_candidates(outcome.tags) or "no tag"
    return f"{outcome.value:g}"


def _format_candidates(candidates: Sequence[Candidate]) -> str:
    return "  ".join(f"{one.label} {one.probability:.1%}" for one in candidates)


def _update_stats(values: list[float], value: float) -> list[float]:
    """Return [lowest, sum, highest, count] with one value more."""
    low, total, high, count = values or [value, 0.0, value, 0]
    return [min(low, value), total + value, max(high, value), count + 1]


def _source_fields(sample: PredictSample) -> dict[str, Any]:
    if not isinstance(sample, SingleSample):
        return {"file": printable_path(sample.table.path), "row": sample.row.ref}
    if isinstance(sample.value, Path):
        return {"file": printable_path(sample.value)}
    return {"text": sample.value} if isinstance(sample.value, str) else {"texts": list(sample.value)}


def _as_texts(value: SampleValue) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


def _replace_unprintable(text: str) -> str:
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
