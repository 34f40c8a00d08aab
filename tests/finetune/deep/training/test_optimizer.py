"""The optimizer against Keras's own, its learning-rate schedule, and its weight averages (EMA)."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from finetune.deep.training.optimizer import AveragingAdamW
from finetune.deep.training.schedule import CosineWarmupSchedule


def pair() -> list[keras.Variable]:
    """A kernel and a bias, the same ones each time."""
    random = np.random.default_rng(0)
    shapes = {"kernel": (4, 3), "bias": (3,)}
    return [keras.Variable(random.normal(size=shape).astype(np.float32), name=name) for name, shape in shapes.items()]


def gradients(step: int) -> list[tf.Tensor]:
    random = np.random.default_rng(100 + step)
    return [tf.constant(random.normal(size=shape).astype(np.float32)) for shape in ((4, 3), (3,))]


def trained(rates: dict[str, float], decay: float, steps: int, peak: float = 0.01) -> tuple[AveragingAdamW, list]:
    variables, schedule = pair(), CosineWarmupSchedule(peak)
    schedule.total_steps.assign(float(steps))
    optimizer = AveragingAdamW(schedule, rates, decay)
    optimizer.build(variables)
    apply = tf.function(lambda gradients: optimizer.apply(gradients, variables))
    for step in range(steps):
        apply(gradients(step))
    return optimizer, variables


def test_optimizer_equals_keras_adamw() -> None:
    steps, decay = 20, 0.1
    optimizer, variables = trained({}, decay, steps)

    class SameRate(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return optimizer._learning_rate(step)[0]

    expected = pair()
    reference = keras.optimizers.AdamW(SameRate(), weight_decay=decay)
    reference.exclude_from_weight_decay(var_list=[expected[1]])
    reference.build(expected)
    for step in range(steps):
        reference.apply(gradients(step), expected)
    for actual, target in zip(variables, expected, strict=True):
        np.testing.assert_allclose(actual.numpy(), target.numpy(), rtol=2e-5, atol=2e-6)
    assert int(optimizer.iterations.numpy()) == steps


def test_layer_learning_rate_scales_steps_and_weight_decay() -> None:
    whole, half, none = (trained({"kernel": factor}, 0.5, 1) for factor in (1.0, 0.5, 0.0))
    start = pair()
    updates = [(run[1][0].numpy() - start[0].numpy()) for run in (whole, half, none)]
    np.testing.assert_allclose(updates[1], updates[0] / 2, rtol=1e-4)
    assert not updates[2].any()
    assert (none[1][1].numpy() != start[1].numpy()).all(), "the bias has no factor, so it learns at the full rate"


def test_weight_decay_applies_to_matrices_only() -> None:
    variables, schedule = pair(), CosineWarmupSchedule(0.1)
    optimizer = AveragingAdamW(schedule, {}, 0.5)
    optimizer.build(variables)
    kernel, bias = (variable.numpy() for variable in variables)
    optimizer.apply([tf.zeros((4, 3)), tf.zeros(3)], variables)
    np.testing.assert_allclose(variables[0].numpy(), kernel * (1 - 0.5 * 0.1), rtol=1e-6)
    np.testing.assert_array_equal(variables[1].numpy(), bias)


def test_sparse_embedding_gradient_equals_dense_gradient() -> None:
    rows = tf.IndexedSlices(tf.ones((3, 3)), tf.constant([1, 1, 2]), tf.constant([4, 3]))
    dense, sparse = pair(), pair()
    for variables, gradient in ((dense, tf.convert_to_tensor(rows)), (sparse, rows)):
        optimizer = AveragingAdamW(CosineWarmupSchedule(0.01), {}, 0.0)
        optimizer.build(variables)
        optimizer.apply([gradient, tf.zeros(3)], variables)
    np.testing.assert_array_equal(dense[0].numpy(), sparse[0].numpy())


def test_weight_averages_follow_the_weights() -> None:
    steps = 30
    variables, schedule = pair(), CosineWarmupSchedule(0.01)
    schedule.total_steps.assign(float(steps))
    optimizer = AveragingAdamW(schedule, {}, 0.0)
    optimizer.build(variables)
    expected = variables[0].numpy()
    np.testing.assert_array_equal(optimizer.averages()[0], expected)
    for step in range(steps):
        optimizer.apply(gradients(step), variables)
        new = max(1 / (0.1 * steps), 9 / (10 + step))
        expected = expected + new * (variables[0].numpy() - expected)
    np.testing.assert_allclose(optimizer.averages()[0], expected, rtol=1e-5)


def test_weight_averages_are_swapped_in_and_restored_exactly() -> None:
    optimizer, variables = trained({}, 0.01, 5)
    weights, averages = [variable.numpy() for variable in variables], optimizer.averages()
    with pytest.raises(ZeroDivisionError), optimizer.swap_in_averages():
        for variable, average in zip(variables, averages, strict=True):
            np.testing.assert_array_equal(variable.numpy(), average)
        raise ZeroDivisionError
    for variable, weight, average, after in zip(variables, weights, averages, optimizer.averages(), strict=True):
        np.testing.assert_array_equal(variable.numpy(), weight)
        np.testing.assert_array_equal(average, after)
