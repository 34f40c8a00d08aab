"""The answers on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

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
    """The most probable label of one image, and the next ones."""

    top: list[Candidate]  # best first, beginning with the label itself

    @classmethod
    def of(cls, labels: tuple[str, ...], scores: Floats, top: int) -> Self:
        """Read one row of scores, float32 [k]."""
        best = np.argsort(-scores, kind="stable")[:top]
        # A softmax in float32 may end a hair above 1.
        candidates = [Candidate(label=labels[at], probability=min(float(scores[at]), 1.0)) for at in best]
        return cls(label=candidates[0].label, probability=candidates[0].probability, top=candidates)


class Predictions(BaseModel):
    """The answer to images."""

    model: str
    version: int
    predictions: list[Prediction]

    @classmethod
    def of(cls, model: Model, scores: Floats, top: int) -> Self:
        """Read scores, float32 [n,k]."""
        rows = [Prediction.of(model.manifest.labels, row, top) for row in scores]
        return cls(model=model.name, version=model.version, predictions=rows)


class RowScores(BaseModel):
    """TensorFlow Serving's answer to `instances`."""

    predictions: list[list[float]]


class ColumnScores(BaseModel):
    """TensorFlow Serving's answer to `inputs`."""

    outputs: list[list[float]]


class Embeddings(BaseModel):
    """The trunk's features of images."""

    model: str
    version: int
    embeddings: list[list[float]]


class Names(BaseModel):
    """The models that can be asked."""

    models: list[str]


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
