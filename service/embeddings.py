"""OpenAI's embeddings, as data: what is asked, and the numbers of the answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

import numpy as np

from service.instances import strict_json
from service.model import Model
from service.takes import Json, Sample
from zoo.errors import BadRequest, GraftError
from zoo.golden import Floats
from zoo.text import TextInput
from zoo.token_ids import framed
from zoo.utf8 import to_sample

PARAMETERS: Final = ("input", "model", "encoding_format", "dimensions", "user")
INPUT: Final = "Send a text, a list of texts, a list of token ids, or a list of such lists."


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; each of `inputs` is a text or token ids."""

    model: str
    inputs: tuple[str | list[int], ...]
    as_base64: bool
    dimensions: int | None

    @classmethod
    def of(cls, body: bytes, most: int) -> Self:
        """Read the JSON of a request that may have `most` inputs.

        Raises:
            BadRequest: it is none; a note names the parameter.
        """
        facts = strict_json(body)
        if not isinstance(facts, dict):
            raise BadRequest("the JSON must be an object with 'input' and 'model'.")
        for name in facts.keys() - set(PARAMETERS):
            with about(name[:50]):
                raise BadRequest(f"the parameter {name[:50]!r} is not known. Allowed are {', '.join(PARAMETERS)}.")
        with about("model"):
            if not isinstance(facts.get("model"), str):
                raise BadRequest("'model' must be the name of a model; `GET /v1/models` tells which there are.")
        with about("input"):
            inputs = _inputs(facts.get("input"), most)
        with about("encoding_format"):
            if facts.get("encoding_format") not in (None, "float", "base64"):
                raise BadRequest("'encoding_format' must be 'float' or 'base64'.")
        with about("dimensions"):
            dimensions = facts.get("dimensions")
            if not (dimensions is None or (type(dimensions) is int and dimensions > 0)):
                raise BadRequest("'dimensions' must be a whole number from 1.")
        return cls(facts["model"], inputs, facts.get("encoding_format") == "base64", dimensions)

    def samples(self, model: Model) -> list[Callable[[], Sample]]:
        """Return what makes the samples; each may raise NotText or TextTooLong.

        Raises:
            BadRequest: the model takes something else; a note names the parameter.
        """
        with about("model"):
            if not isinstance(model.inputs, TextInput) or model.inputs.texts != 1:
                raise BadRequest(
                    f"the model {model.name!r} takes {model.takes.many}, and /v1/embeddings is for single "
                    f"texts. Ask /v1/models/{model.name}:embed."
                )
        inputs = model.inputs
        return [
            partial(to_sample, one) if isinstance(one, str) else partial(framed, one, inputs) for one in self.inputs
        ]

    def vectors(self, features: Floats) -> Floats:
        """Cut features, float32 [n,d], to the dimensions asked for, and scale each row to length 1.

        A row of zeros has no direction and stays as it is.
        """
        cut = features[:, : self.dimensions].astype(np.float64)
        lengths = np.linalg.norm(cut, axis=1, keepdims=True)
        vectors: Floats = np.divide(cut, lengths, out=np.zeros_like(cut), where=lengths > 0).astype(np.float32)
        return vectors

    def check_width(self, width: int) -> None:
        """Pass if a model with features [n,width] can give what is asked for.

        Raises:
            BadRequest: it cannot; a note names the parameter.
        """
        with about("dimensions"):
            if self.dimensions is not None and self.dimensions > width:
                raise BadRequest(f"'dimensions' is {self.dimensions}; the model has {width}. Ask for fewer.")

    def answer(self, model: str, features: Floats, tokens: int) -> bytes:
        """Return the answer, JSON; it takes time enough for a thread of its own."""
        rows = self.vectors(features).astype("<f4")
        written = [base64.b64encode(row).decode() for row in rows] if self.as_base64 else rows.tolist()
        data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(written)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return json.dumps({"object": "list", "data": data, "model": model, "usage": usage}).encode()


@contextmanager
def about(parameter: str) -> Iterator[None]:
    """Note on every error that is raised inside which parameter it is about."""
    try:
        yield
    except GraftError as fault:
        fault.add_note(parameter)
        raise


def envelope(status: int, body: Mapping[str, str], error: BaseException | None) -> dict[str, Json]:
    """Return an error's JSON as OpenAI has it; `code` is Graft's own."""
    kind = "server_error" if status >= 500 else "rate_limit_exceeded" if status == 429 else "invalid_request_error"
    parameter = next(iter(getattr(error, "__notes__", ())), None)
    return {"error": {"message": body["error"], "type": kind, "param": parameter, "code": body["code"]}}


def _inputs(given: Json, most: int) -> tuple[str | list[int], ...]:
    """Read the parameter `input`."""
    rows = given if isinstance(given, list) and not _are_ids(given) else [given]
    if not rows:
        raise BadRequest(f"'input' is empty. {INPUT}")
    if len(rows) > most:
        raise BadRequest(f"'input' has {len(rows)} inputs; allowed are {most}. Send them in several requests.")
    for at, row in enumerate(rows):
        if not isinstance(row, str) and not (isinstance(row, list) and (_are_ids(row) or not row)):
            raise BadRequest(f"'input' at {at} is neither a text nor a list of token ids (whole numbers). {INPUT}")
    return tuple(rows)


def _are_ids(row: list[Json]) -> bool:
    return bool(row) and all(type(one) is int for one in row)
