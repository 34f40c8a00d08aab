"""ONNX Runtime sessions, devices and threads."""
