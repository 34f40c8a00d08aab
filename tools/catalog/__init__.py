"""Regenerate the catalog's JSON tables from the installed libraries."""
