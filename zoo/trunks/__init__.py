"""Trunks: backbones that are ready to run in ONNX Runtime, and their cache."""
