"""What `predict` prints: a table for people, one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from service.calls import Answer, Candidate, Prediction, Tags
from zoo.errors import InputError

Asked = Path | str | tuple[str, str]  # a file, a text, a pair of texts
Row = tuple[Asked, Answer | InputError]
WIDTH: Final = 40  # characters of a text that the table shows


def table(rows: Sequence[Row]) -> str:
    """Return one line for each sample: what was asked, then the answer, the best label first."""
    names = [_name(asked) for asked, _ in rows]
    wide = max(map(len, names))
    return "\n".join(f"{name:{wide}}  {_line(answer)}" for name, (_, answer) in zip(names, rows, strict=True))


def as_json(model: str, rows: Sequence[Row]) -> str:
    """Return one JSON object; a sample is named by `file`, `text` or `texts`."""
    predictions = [{**_asked(asked), **_facts(answer)} for asked, answer in rows]
    return json.dumps({"model": model, "predictions": predictions}, ensure_ascii=False, indent=2)


def _name(asked: Asked) -> str:
    if isinstance(asked, Path):
        return str(asked)
    text = " ".join((asked if isinstance(asked, str) else " / ".join(asked)).split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _line(answer: Answer | InputError) -> str:
    match answer:
        case InputError():
            return f"error: {answer}"
        case Prediction():
            return _shares(answer.top)
        case Tags():
            return _shares(answer.tags) or "no tag"
    return f"{answer.value:g}"


def _shares(candidates: Sequence[Candidate]) -> str:
    return "  ".join(f"{one.label} {one.probability:.1%}" for one in candidates)


def _asked(asked: Asked) -> dict[str, Any]:
    if isinstance(asked, Path):
        return {"file": str(asked)}
    return {"text": asked} if isinstance(asked, str) else {"texts": list(asked)}


def _facts(answer: Answer | InputError) -> dict[str, Any]:
    return {"error": str(answer)} if isinstance(answer, InputError) else asdict(answer)
