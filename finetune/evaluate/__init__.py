"""Evaluation on the test part, its metrics, and the golden samples of a bundle."""
