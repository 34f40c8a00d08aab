"""Every limit of the server: what is refused, with which status, and why."""
