"""Input and result of a deeper run: `TrainingJob` and `DeepRunResult`. Imports no Keras."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample
from finetune.data.task import Task
from finetune.head import Head
from finetune.recipe import Depth, TrainingOptions
from graft.inputs.open_input import Input
from graft.types import IndexArray
from zoo.catalog.backbone import Backbone
from zoo.trunks.trunk import Trunk


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """Everything that one deeper run needs. Shapes: n samples, d features, k labels."""

    backbone: Backbone
    depth: Depth  # top, full or lora
    task: Task  # classify, tag or regress
    inputs: Input  # bytes -> array, the same code that serving runs
    samples: tuple[LabeledSample, ...]  # n
    sha256: tuple[bytes, ...]  # n, of the samples' contents
    y: NDArray[Any]  # targets: classify int [n]; tag bool [n,k]; regress float64 [n]
    labels: tuple[str, ...]  # k
    sample_weights: NDArray[np.float32]  # [n], mean 1; higher for rare classes if class weights are on
    train_rows: IndexArray  # rows of the training set
    val_rows: IndexArray  # rows of the validation set
    start_head: Head[Any]  # weights [k,d] to start from, fitted on `train_rows` alone, never on `val_rows`
    start_weights: Path | None = None  # the `weights_path` of an earlier, shallower run; None: pretrained weights
    training: TrainingOptions = field(default_factory=TrainingOptions)
    seed: int = 0
    folder: Path  # used by this run only: cached activations, checkpoints, the exported trunk
    resume: bool = False  # continue from the checkpoint in `folder`
    deadline: float | None = None  # time.monotonic() at which training must be over
    tensorboard: Path | None = None  # folder for TensorBoard logs


@dataclass(frozen=True, slots=True)
class EpochStats:
    """Losses, score and learning rate of one epoch."""

    number: int  # from 1
    of: int  # planned epochs
    loss: float  # mean over the training set, with augmentation and label smoothing
    val_loss: float  # log loss after temperature scaling, or mean squared error of the standardised target
    val_score: float  # accuracy, micro F1 at 0.5, or R²
    seconds: float
    rate: float  # learning rate at its last step


@dataclass(frozen=True, slots=True)
class DeepRunResult:
    """A trained trunk and the head trained with it."""

    trunk: Trunk  # fp32, exported to ONNX, parity with Keras checked; its file is in the job's folder
    head: Head[Any]  # trained together with the trunk, calibrated on the validation set
    weights_path: Path  # Keras weights of the trunk (`trunk.weights.npz`), from which a deeper run can start
    model_keras: bytes  # the trained Keras model, for the bundle
    history: tuple[EpochStats, ...]
    facts: dict[str, Any]  # hyper-parameters and results for the manifest: epochs, batch, rate, cut …
