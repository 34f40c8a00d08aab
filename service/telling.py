"""What `predict` prints: for people a table, or a summary where it would be long; for programs one JSON object."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from service.calls import Candidate, Prediction, Tags, Value
from service.predicting import Oracle, Said
from service.samples import Asked, Loose, Sample
from zoo.errors import GraftError
from zoo.folders import shown

WIDTH: Final = 40  # characters of a text that the table shows
LONG: Final = 40  # samples up to which every one has its line
FIRST: Final = 10  # lines of samples in a summary
LABELS: Final = 20  # lines of labels in a summary


class People:
    """A line for each sample: what was asked, then the answer, the best label first. Of many samples, a summary."""

    def __init__(self, everything: str = "--csv OUT.csv, or --json") -> None:
        """Tell at the end of a summary where `everything` is to be had."""
        self._everything = everything
        self._rows: list[tuple[str, str]] = []
        self._bad: list[tuple[str, str]] = []
        self._counts: Counter[str] = Counter()
        self._values: list[float] = []
        self._count = 0

    def add(self, sample: Sample, said: Said) -> None:
        """Keep what the summary needs: the memory does not grow with the samples."""
        self._count += 1
        if len(self._rows) < LONG:
            self._rows.append(_told(sample, said))
        match said:
            case Prediction():
                self._counts[said.label] += 1
            case Tags():
                self._counts.update([one.label for one in said.tags] or ["(no tag)"])
            case Value():
                self._values = _stretched(self._values, said.value)
            case GraftError():
                self._counts["(no answer)"] += 1
                self._bad += [_told(sample, said)] if len(self._bad) < FIRST else []

    def lines(self) -> Iterator[str]:
        """Yield what is printed at the end."""
        rows = self._summary() if self._count > LONG else _table(self._rows)
        return (f"{row}\n" for row in rows)

    def _summary(self) -> list[str]:
        parts = [f"{self._count:,} samples", *_indented(self._shares()), "the first:", *_indented(self._rows[:FIRST])]
        if self._bad:
            parts += ["without an answer:", *_indented(self._bad)]
        return [*parts, f"All of them: {self._everything}."]

    def _shares(self) -> list[tuple[str, str]]:
        rows = [
            (label, f"{count:>9,}  {count / self._count:6.1%}") for label, count in self._counts.most_common(LABELS)
        ]
        if (rest := len(self._counts) - len(rows)) > 0:
            rows.append(("…", f"and {rest:,} more"))
        if self._values:
            low, total, high, count = self._values
            rows.insert(0, ("values", f"from {low:g} to {high:g}, mean {total / count:g}"))
        return rows


class Json:
    """One JSON object, a line for each prediction; a sample is named by `file`, `text`, `texts`, or `file`, `row`."""

    def __init__(self, oracle: Oracle) -> None:
        self._head = f'{{"model": {json.dumps(oracle.name)}, "version": {oracle.version}, "predictions": [\n'
        self._rows: list[str] = []

    def add(self, sample: Sample, said: Said) -> None:
        """Keep one prediction, as text."""
        facts = {"error": str(said)} if isinstance(said, GraftError) else asdict(said)
        told = {name: fact for name, fact in facts.items() if fact is not None}
        row = json.dumps(_asked(sample) | told, ensure_ascii=False)
        # Half a character, from an argument that is no UTF-8, could not be printed.
        self._rows.append(row.encode(errors="replace").decode())

    def lines(self) -> Iterator[str]:
        """Yield what is printed at the end."""
        yield self._head
        yield from (f"{row},\n" for row in self._rows[:-1])
        yield f"{self._rows[-1]}\n]}}\n"


def name(sample: Sample) -> str:
    """Return what people call a sample: its path, the beginning of its text, or its row. No control characters."""
    if not isinstance(sample, Loose):
        return _printable(f"{sample.table.path}, {sample.row.ref}")
    if isinstance(sample.asked, Path):
        return _printable(str(sample.asked))
    text = _printable(" ".join(" / ".join(_texts(sample.asked)).split()))
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _told(sample: Sample, said: Said) -> tuple[str, str]:
    return name(sample), _printable(_line(said))


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    wide = max((len(one) for one, _ in rows), default=0)
    return [f"{one:{wide}}  {told}" for one, told in rows]


def _indented(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {line}" for line in _table(rows)]


def _line(said: Said) -> str:
    match said:
        case GraftError():
            return f"error: {said}"
        case Prediction(label=label, novelty=float(new), threshold=float(at)) if new > at:
            return f"{label} (novelty {new:.3g}, known up to {at:.3g})  {_shares(said.top)}"
        case Prediction():
            return _shares(said.top)
        case Tags():
            return _shares(said.tags) or "no tag"
    return f"{said.value:g}"


def _shares(candidates: Sequence[Candidate]) -> str:
    return "  ".join(f"{one.label} {one.probability:.1%}" for one in candidates)


def _stretched(values: list[float], value: float) -> list[float]:
    """Return lowest, sum, highest and count, one value more."""
    low, total, high, count = values or [value, 0.0, value, 0]
    return [min(low, value), total + value, max(high, value), count + 1]


def _asked(sample: Sample) -> dict[str, Any]:
    if not isinstance(sample, Loose):
        return {"file": shown(sample.table.path), "row": sample.row.ref}
    if isinstance(sample.asked, Path):
        return {"file": shown(sample.asked)}
    return {"text": sample.asked} if isinstance(sample.asked, str) else {"texts": list(sample.asked)}


def _texts(asked: Asked) -> tuple[str, ...]:
    return asked if isinstance(asked, tuple) else (str(asked),)


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
