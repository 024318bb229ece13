"""Engines and compiled code: finds the wasmtime library, compiles programs, remembers what was compiled.

with Runtime() as runtime:
    program = runtime.open(Path("calculator.wasm"))
"""

from typing import TYPE_CHECKING

from mcpkit.wasm.cache import CacheStats, CodeCache, default_cache_dir
from mcpkit.wasm.errors import CacheFolderError, LibraryError, ModuleError, WasmRuntimeError
from mcpkit.wasm.library import Library, find_library

if TYPE_CHECKING:
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


def __getattr__(name: str) -> object:
    # The engine's door comes with the runtime alone: looking at the cache or for the library works without it.
    if name in ("Counters", "Runtime"):
        from mcpkit.wasm import runtime

        return getattr(runtime, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
