"""Benchmarks: rooms by pytest-benchmark, the engine against wasmtime's bare C API, the whole server against its peers.

`make bench` (or `python -m bench`) runs everything and writes bench/RESULTS.md; docs/performance.md says how to
read it.
"""
