"""The answers on the wire."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import BaseModel

from service.calls import Answer, Prediction
from service.model import Model
from service.models import Found
from service.readings import read
from zoo.golden import Floats


def predictions(model: Model, scores: Floats, top: int) -> dict[str, Any]:
    """Return the answer to samples, in their order: what the head says of them means, the `top` best."""
    told = [_told(one) for one in read(model.manifest, scores, top)]
    return {"model": model.name, "version": model.version, "predictions": told}


def _told(answer: Answer) -> Answer | dict[str, Any]:
    """Leave out of an answer what its model never tells."""
    if isinstance(answer, Prediction) and answer.novelty is None:
        return {"label": answer.label, "probability": answer.probability, "top": answer.top}
    return answer


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
