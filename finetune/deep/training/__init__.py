"""The training loop: batches, steps, learning-rate schedule, early stopping, checkpoints, devices."""
