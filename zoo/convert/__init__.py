"""Backbone -> Keras model -> trunk.onnx, refused unless proven. Its modules import TensorFlow; this one does not."""
