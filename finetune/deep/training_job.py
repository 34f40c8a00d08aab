"""What a deeper run is given and what it gives back. Light: Keras is only behind `finetune.deep.train`."""

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
    """Everything that one deeper run needs. Shapes: n samples, k labels."""

    backbone: Backbone
    depth: Depth  # top, full or lora
    task: Task  # classify, tag or regress
    inputs: Input  # bytes -> array, the very one that serves
    samples: tuple[LabeledSample, ...]  # n
    sha256: tuple[bytes, ...]  # n, of their contents
    y: NDArray[Any]  # as finetune.data.targets gives it: classify int [n]; tag bool [n,k]; regress float64 [n]
    labels: tuple[str, ...]  # k
    sample_weights: NDArray[np.float32]  # [n], mean 1: how much each sample counts (rare classes more, if so chosen)
    train_rows: IndexArray
    val_rows: IndexArray
    start_head: Head[
        Any
    ]  # the probe from which it starts, fitted on the train part alone: `val_rows` must be new to it
    start_weights: Path | None = None  # weights of an earlier, less deep run (`DeepRunResult.weights`), to start from
    training: TrainingOptions = field(default_factory=TrainingOptions)
    seed: int = 0
    folder: Path  # of this run alone: cached activations, checkpoints, the finished trunk
    resume: bool = False  # go on from the checkpoint in `folder`
    deadline: float | None = None  # time.monotonic() at which training must be over
    tensorboard: Path | None = None  # where to write logs


@dataclass(frozen=True, slots=True)
class EpochStats:
    """How one epoch went."""

    number: int  # from 1
    of: int
    loss: float  # mean over the train part, as trained (augmented, smoothed)
    val_loss: float  # log loss at the best temperature, or mean squared error in units of the target's variance
    val_score: float  # accuracy, micro F1 at 0.5, or R²
    seconds: float
    rate: float  # learning rate at its end


@dataclass(frozen=True, slots=True)
class DeepRunResult:
    """A trunk that has learnt, and the head that learnt with it."""

    trunk: Trunk  # fp32, exported, proven against Keras; its file is in the lesson's folder
    head: Head[Any]  # as trained together with it; temperature fitted on the validation part
    weights_path: Path  # Keras weights of the trunk (`.weights.npz`), which a deeper run may start from
    model_keras: bytes  # the trained Keras model, for the bundle
    history: tuple[EpochStats, ...]
    facts: dict[str, Any]  # what was chosen: epochs, batch, rate, cut …; for the manifest
