"""What the command `zoo` does, a module for what belongs together; each is imported when it is wanted."""
