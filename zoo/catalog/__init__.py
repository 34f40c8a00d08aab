"""Catalog of backbones: facts as data, and search; no framework."""
