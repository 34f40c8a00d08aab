"""Child processes and the sandbox that conversion runs in."""
