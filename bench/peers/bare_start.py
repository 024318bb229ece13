"""The floor for a cold start: an interpreter that imports uvloop, msgspec and orjson, opens wasmtime's library and answers a line.

bare_start.py LIBRARY - gives back the first line of its stdin.
"""

import ctypes
import os
import sys

import msgspec
import orjson
import uvloop

library = ctypes.CDLL(sys.argv[1])
assert uvloop and msgspec and orjson and library
while line := os.read(0, 1 << 16):
    os.write(1, line)
