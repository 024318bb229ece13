"""Commands that WasmEdge runs instead of wasmtime. Their modules are read and described as ever."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mcpkit.guests import describe
from mcpkit.guests.interface import CallLimits, ToolSpec
from mcpkit.policy import Grants
from mcpkit.wasmedge import EdgeTool, WasmEdge, WasmEdgeError

PREVIEW1 = "wasi_snapshot_preview1"
SOCKETS = frozenset({"sock_accept", "sock_recv", "sock_send", "sock_shutdown"})
"""All that preview 1 knows of sockets. WasmEdge adds functions that open them, which no guest may."""


def edge_tool(
    edge: WasmEdge, spec: ToolSpec, module: Path, limits: CallLimits, grants: Grants, secrets: Sequence[tuple[str, str]]
) -> EdgeTool:
    """The tool under its limits. Raises WasmEdgeError for a program that WasmEdge cannot run."""
    program = describe.read(spec.program.describe())
    if not isinstance(program, describe.CoreModule):
        raise WasmEdgeError(
            f"{spec.qualified}: WasmEdge runs preview 1 commands, and {module} is a component; "
            "use runtime.type wasmtime for it"
        )
    for one in program.imports:
        if one.module != PREVIEW1 or (one.name.startswith("sock_") and one.name not in SOCKETS):
            raise WasmEdgeError(f"{spec.qualified}: {module} asks for {one.module} {one.name}, which is not granted")
    if module.suffix == ".wat":
        raise WasmEdgeError(f"{spec.qualified}: WasmEdge reads binaries, and {module} is text")
    binding = spec.binding
    own = {**dict(grants.environment), **dict(binding.env), **dict(secrets)}
    units = [limit for limit in (limits.max_units, binding.max_units) if limit]
    return EdgeTool(
        edge,
        module,
        binding.argv,
        tuple(own.items()),
        min(units, default=0),
        min(limit for limit in (limits.max_memory, binding.max_memory) if limit),
        min(limit for limit in (limits.timeout_ns, binding.timeout_ns) if limit),
        limits.max_result,
        limits.max_output,
    )
