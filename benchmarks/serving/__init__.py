"""The server in numbers: ours beside the bare loop and beside other servers (`python -m benchmarks.serving --help`)."""
