"""mcpkit's wasm room through its Python door: Tool.call with JSON arguments, JSON result, fresh instance per call.

door.py LIBRARY ADD.wasm CALLS - prints one JSON object: nanoseconds per call, the median of ten batches.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from mcpkit.core.wasm import Engine, Tool

BATCHES = 10

engine = Engine(sys.argv[1])
tool = Tool(engine.compile(Path(sys.argv[2]).read_bytes()), style="function", function="add")
per_batch = int(sys.argv[3]) // BATCHES
assert tool.call(b'{"a": 40, "b": 2}').output == b"42"
batches = []
for batch in range(BATCHES + 1):
    start = time.perf_counter_ns()
    for _ in range(per_batch):
        tool.call(b'{"a": 40, "b": 2}')
    if batch:
        batches.append((time.perf_counter_ns() - start) / per_batch)
sys.stdout.write(f'{{"fresh_ns": {statistics.median(batches):.1f}}}\n')
