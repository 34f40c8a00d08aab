"""Train the tiny network on two logical CPUs, without and with dropout, and save weights and losses."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from finetune.deep.training.trainer import train_network
from graft.progress import SilentProgress
from tests.support.finetune.tiny_training_job import TinyBatchSource, tiny_job


def main(folder: Path) -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for dropout in (0.0, 0.2):
        batches, history, facts = train_network(
            partial(TinyBatchSource, dropout=dropout), tiny_job(folder / f"run-{dropout}"), SilentProgress()
        )
        assert facts["replicas"] == 2
        arrays = [variable.numpy() for variable in batches.network.trainable_variables]
        np.savez(folder / f"{dropout}.npz", *arrays, losses=[(epoch.loss, epoch.val_loss) for epoch in history])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
