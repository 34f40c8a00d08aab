"""What the commands share: errors without tracebacks, progress, shell completion."""
