"""Atomic files and folders, locks, scratch folders and the cache root."""
