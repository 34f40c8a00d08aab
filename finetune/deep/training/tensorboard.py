"""Logs for TensorBoard, which need not be installed to write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf


class TensorBoardWriter:
    """Event files below a folder; nothing where there is none."""

    def __init__(self, folder: Path | None) -> None:
        self._writer = tf.summary.create_file_writer(str(folder)) if folder else None
        metadata_class = tf.compat.v1.SummaryMetadata
        # What tf.summary.scalar would say; that function itself is TensorBoard's.
        self._scalar_metadata = metadata_class(plugin_data=metadata_class.PluginData(plugin_name="scalars"))

    def write_scalars(self, step: int, facts: Mapping[str, float]) -> None:
        """Write a curve's next point for each of `facts`."""
        if self._writer is None:
            return
        with self._writer.as_default():
            for name, value in facts.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, metadata=self._scalar_metadata)
        self._writer.flush()
