"""The training step and the validation pass as TensorFlow graphs, the loss of each task, and validation metrics.

Shapes: n samples of a batch, m of the validation set, k labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from finetune.data.task import Task
from finetune.deep.training.batch_source import Batch
from finetune.deep.training.devices import Devices
from finetune.head.temperature import fit_temperature
from graft.types import Float64Array

SampleLoss = Callable[[Any, Any], Any]  # y and logits, each float32 [n,k], -> the loss of each sample, float32 [n]


def make_loss(task: Task, smoothing: float) -> SampleLoss:
    """Return the training loss of `task`: cross-entropy for classes and tags, squared error for numbers.

    `smoothing` is the label smoothing (Szegedy et al. 2016) of classes and tags.
    """
    if task is Task.CLASSIFY:
        return lambda y, logits: tf.nn.softmax_cross_entropy_with_logits(
            y * (1 - smoothing) + smoothing * tf.reduce_sum(y, 1, keepdims=True) / tf.cast(tf.shape(y)[1], y.dtype),
            logits,
        )
    if task is Task.TAG:
        return lambda y, logits: tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(y * (1 - smoothing) + smoothing / 2, logits), 1
        )
    return lambda y, logits: tf.reduce_mean(tf.square(y - logits), 1)


class StepGraphs:
    """The TensorFlow graphs of one network. With several replicas, each gets an equal share of every batch."""

    def __init__(
        self, network: keras.Model, optimizer: keras.optimizers.Optimizer, loss: SampleLoss, devices: Devices
    ) -> None:
        self._network, self._optimizer, self._loss, self._devices = network, optimizer, loss, devices
        self._train_graph: Any = None
        self._predict_graph = tf.function(self._predict_step, reduce_retracing=True)

    def distribute_batch(self, batch: Batch) -> Any:  # noqa: ANN401
        """Return `batch` as tensors for `train_on_batch`, split into a shard for each replica."""
        whole = (batch.x, batch.y, batch.weight)
        count = self._devices.replicas
        if count == 1:
            return tf.nest.map_structure(tf.convert_to_tensor, whole)
        shares = [tf.nest.map_structure(tf.convert_to_tensor, _replica_shard(whole, at, count)) for at in range(count)]
        return self._devices.strategy.experimental_distribute_values_from_function(
            lambda context: shares[context.replica_id_in_sync_group]
        )

    def train_on_batch(self, device_batch: Any) -> Any:  # noqa: ANN401
        """Train on a batch of `distribute_batch`.

        Return float32 [3]: the sum of the losses, the sum of the weights, and the norm of the gradient.
        """
        if self._train_graph is None:
            self._train_graph = self._build_train_graph(device_batch)
        return self._train_graph(*device_batch)

    def predict_logits(self, batches: Iterable[Batch]) -> tuple[Float64Array, Float64Array]:
        """Return logits and targets, each float64 [m,k], of all samples whose weight is not 0."""
        logit_batches, target_batches = [], []
        for batch in batches:
            counts = batch.weight > 0
            x = {name: tf.convert_to_tensor(array) for name, array in batch.x.items()}
            logit_batches.append(self._predict_graph(x).numpy()[counts])
            target_batches.append(batch.y[counts])
        return np.concatenate(logit_batches).astype(np.float64), np.concatenate(target_batches).astype(np.float64)

    def _build_train_graph(self, device_batch: Any) -> Any:  # noqa: ANN401
        """Return the training step as one graph; on one device its shapes are as fixed as the network's are."""
        if self._devices.replicas > 1:
            return tf.function(self._replicated_step, reduce_retracing=True)
        shapes = {tensor.name: tensor.shape[1:] for tensor in self._network.inputs}
        x, y, weight = device_batch
        signature = (
            {name: tf.TensorSpec((array.shape[0], *shapes[name]), array.dtype) for name, array in x.items()},
            *(tf.TensorSpec(array.shape, array.dtype) for array in (y, weight)),
        )
        fixed = all(None not in shape for shape in shapes.values())
        return tf.function(
            self._train_step, input_signature=signature, jit_compile=(self._devices.jit_compile and fixed) or None
        )

    def _replicated_step(self, *batch: Any) -> Any:  # noqa: ANN401
        sums = self._devices.strategy.run(self._train_step, args=batch)
        return self._devices.strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    def _train_step(self, x: Any, y: Any, weight: Any) -> Any:  # noqa: ANN401
        with tf.GradientTape() as tape:
            logits = tf.cast(self._network(x, training=True), tf.float32)
            losses = self._loss(y, logits) * weight
            # Divided by the size of the whole batch, because gradients of replicas are summed.
            loss = tf.reduce_sum(losses) / tf.cast(tf.size(weight) * self._devices.replicas, tf.float32)
            scaled = self._optimizer.scale_loss(loss)
        trainable = self._network.trainable_variables
        gradients = tape.gradient(scaled, trainable, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self._optimizer.apply(gradients, trainable)
        # The gradient may be NaN although the loss is finite. In float16, loss scaling skips such a step.
        checked = self._devices.dtype_policy != "mixed_float16"
        norm = tf.cast(tf.linalg.global_norm(gradients), tf.float32) if checked else 0.0
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(weight), norm])

    def _predict_step(self, x: Any) -> Any:  # noqa: ANN401
        return tf.cast(self._network(x, training=False), tf.float32)


def _replica_shard(batch_arrays: Any, replica: int, replica_count: int) -> Any:  # noqa: ANN401
    """Return every `replica_count`-th row, starting with row `replica`; zero rows, of weight 0, pad the last shards."""

    def rows(array: NDArray[Any]) -> NDArray[Any]:
        padding = -len(array) % replica_count
        return np.pad(array, ((0, padding), *((0, 0),) * (array.ndim - 1)))[replica::replica_count]

    return tf.nest.map_structure(rows, batch_arrays)


def validation_metrics(task: Task, logits: Float64Array, y: Float64Array) -> tuple[float, float]:
    """Return validation loss and score of `logits` against the targets `y`, each float64 [m,k]; NaN if a logit is.

    The loss of classes and tags is the log loss after temperature scaling, because the exported head is calibrated
    anyway and label smoothing leaves logits uncalibrated; the loss of a number is the mean squared error. The scores
    are accuracy, micro F1 at a probability of 0.5, and R².
    """
    if not np.isfinite(logits).all():
        return float("nan"), float("nan")
    if task is Task.CLASSIFY:
        truth = y.argmax(1)
        return fit_temperature(logits, truth)[1], float((logits.argmax(1) == truth).mean())
    if task is Task.TAG:
        predicted_tags, truth = logits > 0, y > 0.5
        return fit_temperature(logits, truth)[1], _micro_f1(predicted_tags, truth)
    mse = float(((logits - y) ** 2).mean())
    return mse, 1 - mse / (float(y.var()) or 1.0)


def _micro_f1(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return 2 * int((prediction & truth).sum()) / max(1, int(prediction.sum()) + int(truth.sum()))
