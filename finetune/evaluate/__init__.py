"""The test part, metrics, and the golden samples that prove a bundle."""
