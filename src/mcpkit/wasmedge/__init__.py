"""WasmEdge as an engine: commands run by its library, with gas as compute units, where it is installed."""

from mcpkit.wasmedge.library import WasmEdge, WasmEdgeError, find
from mcpkit.wasmedge.tool import EdgeResult, EdgeTool

__all__ = ["EdgeResult", "EdgeTool", "WasmEdge", "WasmEdgeError", "find"]
