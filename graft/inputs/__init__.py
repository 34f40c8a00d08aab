"""Bytes -> arrays: the same code in training and in serving."""
