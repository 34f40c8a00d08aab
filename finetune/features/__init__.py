"""Samples -> trunk -> features, cached on disk."""
