"""The Open Inference Protocol (KServe's version 2): tensors in, tensors out, as JSON or as raw bytes."""
