"""Import and export of whole Keras models."""
