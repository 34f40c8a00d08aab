"""The `predict` command: samples -> answers as a table, CSV or JSON, by a local model or a server."""
