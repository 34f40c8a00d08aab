"""Responses of the native routes, as pydantic schemas: scores, embeddings, model list, status and metadata."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import BaseModel

from graft.types import Float32Array
from service.models.model import Model
from service.models.registry import VersionEntry


class RowScores(BaseModel):
    """TensorFlow Serving's response to `instances`."""

    predictions: list[list[float]]

    @classmethod
    def from_scores(cls, scores: Float32Array) -> Self:
        """Return the scores of n samples, float32 [n,k]."""
        return cls(predictions=scores.tolist())


class ColumnScores(BaseModel):
    """TensorFlow Serving's response to `inputs`."""

    outputs: list[list[float]]

    @classmethod
    def from_scores(cls, scores: Float32Array) -> Self:
        """Return the scores of n samples, float32 [n,k]."""
        return cls(outputs=scores.tolist())


class Embeddings(BaseModel):
    """The trunk's features of samples."""

    model: str
    version: int
    embeddings: list[list[float]]

    @classmethod
    def from_features(cls, model: Model, features: Float32Array) -> Self:
        """Return the features of n samples, float32 [n,d]."""
        return cls(model=model.name, version=model.version, embeddings=features.tolist())


class OpenAIModelEntry(BaseModel):
    """A model in OpenAI's list of models."""

    id: str
    object: Literal["model"] = "model"
    created: int  # seconds since 1970
    owned_by: Literal["graft"] = "graft"


class ModelList(BaseModel):
    """The models that are served: KServe's field and OpenAI's."""

    models: list[str]
    object: Literal["list"] = "list"
    data: list[OpenAIModelEntry]

    @classmethod
    def from_models(cls, models: Sequence[Model]) -> Self:
        """List the newest version of each model."""
        entries = [OpenAIModelEntry(id=model.name, created=_unix_seconds(model.manifest.created)) for model in models]
        return cls(models=[model.name for model in models], data=entries)


def _unix_seconds(iso: str) -> int:
    """Return the time of a manifest in seconds since 1970; 0 if it has none."""
    try:
        return int(datetime.datetime.fromisoformat(iso).timestamp())
    except ValueError:
        return 0


class VersionStatus(BaseModel):
    """Status of one version, in TensorFlow Serving's form."""

    version: str
    state: str  # AVAILABLE or END
    status: dict[str, str]  # error_code, error_message

    @classmethod
    def from_entry(cls, version: int, entry: VersionEntry) -> Self:
        """Return the status of a version on disk."""
        code = "FAILED_PRECONDITION" if entry.refusal else "OK"
        state = "AVAILABLE" if entry.model else "END"
        return cls(version=str(version), state=state, status={"error_code": code, "error_message": entry.refusal or ""})


class ModelStatus(BaseModel):
    """Status of a model: KServe's fields and TensorFlow Serving's."""

    name: str
    ready: bool
    model_version_status: list[VersionStatus]

    @classmethod
    def from_entries(cls, name: str, entries: Mapping[int, VersionEntry]) -> Self:
        """Return the status of a model with these versions on disk."""
        versions = [VersionStatus.from_entry(number, one) for number, one in entries.items()]
        return cls(name=name, ready=any(one.model for one in entries.values()), model_version_status=versions)


class ModelMetadata(BaseModel):
    """Public metadata of a model: nothing of the data it was trained on, no samples, no paths."""

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
