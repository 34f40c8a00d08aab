"""ONNX graphs: convert Keras models, write encoders node by node, and the passes over graphs."""
