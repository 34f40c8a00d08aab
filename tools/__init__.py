"""Developers' scripts, not installed."""
