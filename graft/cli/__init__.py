"""Shared by all commands: errors without tracebacks, exit status, --progress, shell completion."""
