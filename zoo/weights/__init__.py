"""Weights: fetch, verify, lock and cache."""
