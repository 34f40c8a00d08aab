"""Convert a backbone to trunk.onnx through Keras, with a parity check; its modules import TensorFlow."""
