"""ONNX graphs: writing them and the passes over them."""
