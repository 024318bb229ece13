"""The floor for a cold start: an interpreter that imports uvloop, msgspec and orjson and opens wasmtime's library.

bare_start.py LIBRARY - gives back every line of its stdin.
"""

import ctypes
import os
import sys

import msgspec
import orjson
import uvloop

library = ctypes.CDLL(sys.argv[1])
assert all((uvloop, msgspec, orjson, library))
while line := os.read(0, 1 << 16):
    os.write(1, line)
