"""The bundle: one version of one model on disk, the contract between training and serving."""
