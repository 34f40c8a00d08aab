"""Benchmark backbones on this machine: each trunk in a child process; results are kept per machine."""
