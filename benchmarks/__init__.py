"""Benchmarks: each a command, `python -m benchmarks.NAME`, side by side with a peer. See README.md."""
