"""Deeper training of text encoders."""
