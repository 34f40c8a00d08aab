"""Pretrained weights: download, verify, lock and cache."""
