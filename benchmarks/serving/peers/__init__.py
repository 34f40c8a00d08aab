"""Servers that Graft's is compared with, each in an environment of its own; README.md tells which."""

from benchmarks.serving.peers.catalog import PEERS

__all__ = ["PEERS"]
