"""TensorBoard logs of a run, written by TensorFlow alone: TensorBoard need not be installed to write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf


class TensorBoardWriter:
    """Write one event file below `folder`, which TensorBoard reads; with None, write nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._writer = tf.summary.create_file_writer(str(folder)) if folder else None
        metadata_class = tf.compat.v1.SummaryMetadata
        # The metadata that tf.summary.scalar writes; that function is part of the package tensorboard.
        self._scalar_metadata = metadata_class(plugin_data=metadata_class.PluginData(plugin_name="scalars"))

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add a point to the curve of each of `scalars` at `step`, and flush the file."""
        if self._writer is None:
            return
        with self._writer.as_default():
            for name, value in scalars.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, metadata=self._scalar_metadata)
        self._writer.flush()
