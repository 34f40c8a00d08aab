"""Deeper training of image networks."""
