"""The answers on the wire."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel

from service.model import Model
from service.models import Found
from zoo.golden import Floats


class Candidate(BaseModel):
    """A label and how probable it is, 0 to 1."""

    label: str
    probability: float


class Prediction(Candidate):
    """The most probable label of one sample, and the next ones."""

    top: list[Candidate]  # best first, beginning with the label itself


class Tags(BaseModel):
    """The labels that one sample has, perhaps none, and the most probable ones whether it has them or not."""

    tags: list[Candidate]  # at or over their threshold, best first
    top: list[Candidate]  # best first


class Value(BaseModel):
    """The number of one sample, in the unit of the target."""

    value: float


class Predictions(BaseModel):
    """The answer to samples, in their order; the task of the model says of which kind."""

    model: str
    version: int
    predictions: list[Prediction] | list[Tags] | list[Value]

    @classmethod
    def of(cls, model: Model, scores: Floats, top: int) -> Self:
        """Read scores, float32 [n,k]."""
        manifest = model.manifest
        rows: list[Prediction] | list[Tags] | list[Value]
        if manifest.task == "regress":
            rows = [Value(value=float(row[0])) for row in scores]
        elif manifest.task == "tag":
            thresholds = np.array(manifest.head["thresholds"], np.float32)
            rows = [_tags(manifest.labels, row, thresholds, top) for row in scores]
        else:
            best = [_best(manifest.labels, row, top) for row in scores]
            rows = [Prediction(label=one[0].label, probability=one[0].probability, top=one) for one in best]
        return cls(model=model.name, version=model.version, predictions=rows)


def _best(labels: tuple[str, ...], scores: Floats, top: int) -> list[Candidate]:
    """Return the `top` best labels by one row of scores, float32 [k]."""
    # A softmax in float32 may end a hair above 1.
    return [
        Candidate(label=labels[at], probability=min(float(scores[at]), 1.0))
        for at in np.argsort(-scores, kind="stable")[:top]
    ]


def _tags(labels: tuple[str, ...], scores: Floats, thresholds: Floats, top: int) -> Tags:
    has = {label for label, score, threshold in zip(labels, scores, thresholds, strict=True) if score >= threshold}
    best = _best(labels, scores, len(labels))
    return Tags(tags=[one for one in best if one.label in has], top=best[:top])


class RowScores(BaseModel):
    """TensorFlow Serving's answer to `instances`."""

    predictions: list[list[float]]


class ColumnScores(BaseModel):
    """TensorFlow Serving's answer to `inputs`."""

    outputs: list[list[float]]


class Embeddings(BaseModel):
    """The trunk's features of samples."""

    model: str
    version: int
    embeddings: list[list[float]]

    @classmethod
    def of(cls, model: Model, features: Floats) -> Self:
        """Read features, float32 [n,d]."""
        return cls(model=model.name, version=model.version, embeddings=features.tolist())


class Card(BaseModel):
    """A model, as OpenAI's clients list it."""

    id: str
    object: Literal["model"] = "model"
    created: int  # seconds since 1970
    owned_by: Literal["graft"] = "graft"


class Names(BaseModel):
    """The models that can be asked: KServe's field and OpenAI's."""

    models: list[str]
    object: Literal["list"] = "list"
    data: list[Card]

    @classmethod
    def of(cls, models: Sequence[Model]) -> Self:
        """Tell of the newest version of each model."""
        cards = [Card(id=model.name, created=_seconds(model.manifest.created)) for model in models]
        return cls(models=[model.name for model in models], data=cards)


def _seconds(iso: str) -> int:
    """Return a manifest's time in seconds since 1970; 0 where it has none."""
    try:
        return int(datetime.datetime.fromisoformat(iso).timestamp())
    except ValueError:
        return 0


class VersionStatus(BaseModel):
    """One version, as TensorFlow Serving tells it."""

    version: str
    state: str  # AVAILABLE or END
    status: dict[str, str]  # error_code, error_message

    @classmethod
    def of(cls, version: int, found: Found) -> Self:
        """Tell what became of a version on disk."""
        code = "FAILED_PRECONDITION" if found.refusal else "OK"
        state = "AVAILABLE" if found.model else "END"
        return cls(version=str(version), state=state, status={"error_code": code, "error_message": found.refusal or ""})


class Status(BaseModel):
    """How a model is: KServe's fields and TensorFlow Serving's."""

    name: str
    ready: bool
    model_version_status: list[VersionStatus]

    @classmethod
    def of(cls, name: str, found: Mapping[int, Found]) -> Self:
        """Tell what became of the versions of a model."""
        versions = [VersionStatus.of(number, one) for number, one in found.items()]
        return cls(name=name, ready=any(one.model for one in found.values()), model_version_status=versions)


class Metadata(BaseModel):
    """What a model says of itself in public: nothing of the data it was trained on, no samples, no paths."""

    name: str
    version: int
    task: str
    labels: list[str]
    signature: dict[str, Any]
    input: dict[str, Any]
    head: dict[str, Any]
    metrics: dict[str, Any]
    backbone: dict[str, Any]
    precision: str
    depth: str
    created: str
    graft: str

    @classmethod
    def of(cls, model: Model) -> Self:
        """Read a model's manifest."""
        facts = asdict(model.manifest) | {"name": model.name, "version": model.version}
        return cls(**{field: facts[field] for field in cls.model_fields})
