"""The contract between training and serving: one version of one model on disk."""
