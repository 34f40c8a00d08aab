"""What is served: load, reload, versions."""
