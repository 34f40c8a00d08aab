"""Preprocessing, raw bytes to arrays: the same code in training and in serving."""
