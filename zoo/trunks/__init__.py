"""A backbone made runnable, and the cache of those."""
