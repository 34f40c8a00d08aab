"""What the commands pull, verify, cache, pack, load, import and publish do."""
