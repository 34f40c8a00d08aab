"""Developers' scripts; none of them is installed."""
