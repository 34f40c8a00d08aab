"""Samples -> scores: worker threads, micro-batches, results."""
