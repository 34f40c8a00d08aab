"""Serving: bundle -> answers over HTTP, and the Python client."""
