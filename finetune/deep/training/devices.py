"""The devices that training runs on: CPU, one GPU or several, chosen and configured before the first tensor.

The GPU code follows TensorFlow's documentation and has not been run on a GPU; several devices were tested as two
logical CPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import keras
import tensorflow as tf

from graft.runtime.cpu_threads import available_cores

BFLOAT16_CAPABILITY, FLOAT16_CAPABILITY = (8, 0), (7, 0)  # least compute capability of a GPU that is fast in them


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices of a run, and how they compute."""

    strategy: Any  # tf.distribute.Strategy
    replicas: int
    dtype_policy: str  # Keras's dtype policy
    jit_compile: bool  # compile training steps of fixed shapes with XLA

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Place networks that are built within the context on these devices, with their dtype policy."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype_policy)
        try:
            with self.strategy.scope():
                yield
        finally:
            keras.config.set_dtype_policy(before)

    def with_loss_scaling(self, optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """Return `optimizer`, wrapped in loss scaling for float16, whose small gradients would vanish."""
        return keras.optimizers.LossScaleOptimizer(optimizer) if self.dtype_policy == "mixed_float16" else optimizer

    def facts(self) -> dict[str, Any]:
        """Return the device, replicas, dtype policy and XLA, as the manifest records them."""
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return {"device": kind, "replicas": self.replicas, "dtype": self.dtype_policy, "xla": self.jit_compile}


def configure_devices() -> Devices:
    """Set the number of threads and deterministic operations, and return the devices to train on.

    On a CPU: plain fp32 graphs, because bfloat16 and XLA were slower (55 and 309 ms against 31 for an image of
    MobileNetV2). With the same number of threads a CPU computes the same bits every time. On GPUs (not run here):
    memory growth, mixed precision where the hardware has it, XLA on one device, `MirroredStrategy` on several.
    """
    _set_thread_counts()
    tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        _let_memory_grow(gpu)
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    policy = _choose_dtype_policy(gpus)
    if len(devices) == 1:
        return Devices(tf.distribute.get_strategy(), 1, policy, bool(gpus))
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    return Devices(strategy, len(devices), policy, jit_compile=False)


def _set_thread_counts() -> None:
    number: Final = available_cores()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(number)
        tf.config.threading.set_inter_op_parallelism_threads(number)
    except RuntimeError:
        # TensorFlow has computed something before, so its threads exist and their number is fixed in this process.
        return


def intra_op_threads() -> int:
    """Return how many threads share one operation; 0: TensorFlow's default. Sums depend on it in their last bits."""
    return int(tf.config.threading.get_intra_op_parallelism_threads())


def _let_memory_grow(gpu: Any) -> None:  # noqa: ANN401
    try:
        tf.config.experimental.set_memory_growth(gpu, enable=True)
    except RuntimeError:
        return  # the GPU is initialised already


def _choose_dtype_policy(gpus: list[Any]) -> str:
    """Return the Keras dtype policy for the GPU of lowest compute capability; float32 without a GPU."""
    capabilities = [tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) for gpu in gpus]
    weakest = min(capabilities, default=(0, 0))
    if weakest >= BFLOAT16_CAPABILITY:
        return "mixed_bfloat16"
    return "mixed_float16" if weakest >= FLOAT16_CAPABILITY else "float32"
