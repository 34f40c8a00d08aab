"""AdamW with layer-wise learning rates, and an exponential moving average (EMA) of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from finetune.deep.training.schedule import BETA_1, BETA_2, EPSILON, CosineWarmupSchedule
from graft.types import Float32Array


class AveragingAdamW(keras.optimizers.Optimizer):  # type: ignore[misc]
    """AdamW (Loshchilov and Hutter 2019) with a learning-rate factor for each variable and a weight average (EMA).

    Biases and the scales of normalisation layers, which have one axis, do not decay.

    Args:
        schedule: learning rate, bias correction and EMA share of each step.
        rate_factors: variable path -> factor of its learning rate; a variable that is not in it has the factor 1.
        weight_decay: the share of a weight that decays in a step, times the learning rate.
    """

    def __init__(self, schedule: CosineWarmupSchedule, rate_factors: Mapping[str, float], weight_decay: float) -> None:
        super().__init__(learning_rate=schedule)
        self._rate_factors, self._decay = dict(rate_factors), weight_decay

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Create two slots and an average for each of `variables`; an average starts as a copy of its variable."""
        super().build(variables)
        self._factors = [float(self._rate_factors.get(variable.path, 1.0)) for variable in variables]
        self._decays = [self._decay if len(variable.shape) > 1 else 0.0 for variable in variables]
        self._momentums, self._velocities, self._averages = self.add_optimizer_variables(
            variables, ["first", "second", "average"], ["zeros", "zeros", "zeros"]
        )
        for average, variable in zip(self._averages, variables, strict=True):
            average.assign(variable.numpy())

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ANN401
        """Update one variable by one step; `learning_rate` is the result of `CosineWarmupSchedule`, float32 [3]."""
        index = self._get_variable_index(variable)
        if isinstance(variable, keras.Variable):
            variable = variable.value
        rate, correction, average_share = (tf.cast(number, variable.dtype) for number in tf.unstack(learning_rate))
        rate *= self._factors[index]
        if self._decays[index]:
            variable.assign_sub(variable * (rate * self._decays[index]), read_value=False)
        # One pass over the memory instead of Keras's nine. The powers are 0: the correction is already in the rate.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.zeros([], variable.dtype),
            beta2_power=tf.zeros([], variable.dtype),
            lr=rate * correction,
            beta1=tf.constant(BETA_1, variable.dtype),
            beta2=tf.constant(BETA_2, variable.dtype),
            epsilon=tf.constant(EPSILON, variable.dtype),
            grad=tf.cast(tf.convert_to_tensor(gradient), variable.dtype),
        )
        average = self._averages[index].value
        average.assign_sub((average - variable) * average_share, read_value=False)

    @contextmanager
    def swap_in_averages(self) -> Iterator[None]:
        """Give the network its averaged weights within the context; restore the current ones afterwards."""
        self._swap_averages()
        try:
            yield
        finally:
            self._swap_averages()

    def averages(self) -> list[Float32Array]:
        """Return a copy of the averaged weights, in the order of the variables."""
        return [np.array(average.numpy()) for average in self._averages]

    def _swap_averages(self) -> None:
        for variable, average in zip(self._trainable_variables, self._averages, strict=True):
            current = np.array(variable.numpy())
            variable.assign(average.numpy())
            average.assign(current)
