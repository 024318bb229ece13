"""Engines and compiled code: finds the wasmtime library, compiles programs, remembers what was compiled.

with Runtime() as runtime:
    program = runtime.open(Path("calculator.wasm"))
"""

from mcpkit.wasm.cache import CacheStats, CodeCache, default_cache_dir
from mcpkit.wasm.errors import CacheFolderError, LibraryError, ModuleError, WasmRuntimeError
from mcpkit.wasm.library import Library, find_library
from mcpkit.wasm.runtime import Counters, Runtime

__all__ = [
    "CacheFolderError",
    "CacheStats",
    "CodeCache",
    "Counters",
    "Library",
    "LibraryError",
    "ModuleError",
    "Runtime",
    "WasmRuntimeError",
    "default_cache_dir",
    "find_library",
]
