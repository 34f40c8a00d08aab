"""The answers on the wire."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import BaseModel

from graft.types import Float32Array
from service.answers import Answer, Prediction, build_answers
from service.models.model import Model
from service.models.registry import VersionEntry


def predictions_response(model: Model, scores: Float32Array, top: int) -> dict[str, Any]:
    """Return the answer to samples, in their order: what the head says of them means, the `top` best."""
    answers = [_omit_novelty(one) for one in build_answers(model.manifest, scores, top)]
    return {"model": model.name, "version": model.version, "predictions": answers}


def _omit_novelty(answer: Answer) -> Answer | dict[str, Any]:
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
    def from_features(cls, model: Model, features: Float32Array) -> Self:
        """Read features, float32 [n,d]."""
        return cls(model=model.name, version=model.version, embeddings=features.tolist())


class OpenAIModelEntry(BaseModel):
    """A model, as OpenAI's clients list it."""

    id: str
    object: Literal["model"] = "model"
    created: int  # seconds since 1970
    owned_by: Literal["graft"] = "graft"


class ModelList(BaseModel):
    """The models that can be asked: KServe's field and OpenAI's."""

    models: list[str]
    object: Literal["list"] = "list"
    data: list[OpenAIModelEntry]

    @classmethod
    def from_models(cls, models: Sequence[Model]) -> Self:
        """Tell of the newest version of each model."""
        cards = [OpenAIModelEntry(id=model.name, created=_unix_seconds(model.manifest.created)) for model in models]
        return cls(models=[model.name for model in models], data=cards)


def _unix_seconds(iso: str) -> int:
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
    def from_entry(cls, version: int, entry: VersionEntry) -> Self:
        """Tell what became of a version on disk."""
        code = "FAILED_PRECONDITION" if entry.refusal else "OK"
        state = "AVAILABLE" if entry.model else "END"
        return cls(version=str(version), state=state, status={"error_code": code, "error_message": entry.refusal or ""})


class ModelStatus(BaseModel):
    """How a model is: KServe's fields and TensorFlow Serving's."""

    name: str
    ready: bool
    model_version_status: list[VersionStatus]

    @classmethod
    def from_entries(cls, name: str, entries: Mapping[int, VersionEntry]) -> Self:
        """Tell what became of the versions of a model."""
        versions = [VersionStatus.from_entry(number, one) for number, one in entries.items()]
        return cls(name=name, ready=any(one.model for one in entries.values()), model_version_status=versions)


class ModelMetadata(BaseModel):
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
    def from_model(cls, model: Model) -> Self:
        """Read a model's manifest."""
        facts = asdict(model.manifest) | {"name": model.name, "version": model.version}
        return cls(**{field: facts[field] for field in cls.model_fields})
