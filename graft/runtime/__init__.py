"""ONNX Runtime sessions, devices (CPU, CUDA), CPU cores and thread pools."""
