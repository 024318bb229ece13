"""What a receipt says of a tool, and a tool made again from what a receipt says."""

from __future__ import annotations

from mcpkit.core.wasm import Program, Tool
from mcpkit.guests import describe
from mcpkit.guests.interface import CallLimits, ToolSpec
from mcpkit.metering.receipt import Called, Held

_OUTSIDE = ("wasi:clocks/", "wasi:random/", "wasi:filesystem/", "wasi:sockets/", "wasi:http/")


def called(spec: ToolSpec, digest: str, env: tuple[tuple[str, str], ...], secrets: tuple[str, ...]) -> Called:
    """`env` and `secrets`: variables that it was granted beside its own, and names of credentials that it was given."""
    binding = spec.binding
    return Called(
        name=spec.qualified,
        module=digest,
        style=binding.style,
        interface=binding.interface,
        function=binding.function,
        argv=binding.argv,
        env=binding.env + env,
        secrets=secrets,
    )


def held(spec: ToolSpec, limits: CallLimits) -> Held:
    """The limits that the tool is bound to."""
    binding = spec.binding
    own = [limit for limit in (limits.max_units, binding.max_units) if limit]
    memory = [limit for limit in (limits.max_memory, binding.max_memory) if limit]
    return Held(
        enforcement=limits.enforcement,
        max_units=min(own, default=0),
        max_memory=min(memory, default=0),
        max_tables=limits.max_tables,
        max_result=limits.max_result,
        max_output=limits.max_output,
    )


def outside(program: Program) -> str:
    """What of the outside a component may ask for that is not kept; empty: nothing."""
    described = describe.read(program.describe())
    if isinstance(described, describe.CoreModule):
        return ""
    asked = sorted({name for name in described.imports if name.startswith(_OUTSIDE)})
    return f"the component may ask {', '.join(asked)}, and its answers are not kept" if asked else ""


def tool_of(program: Program, what: Called, limits: Held) -> Tool:
    """The tool that a receipt is about, with time enough. Raises `mcpkit.core.wasm.WasmError`."""
    return Tool(
        program,
        style=what.style,
        interface=what.interface,
        function=what.function,
        argv=what.argv,
        env=what.env,
        inline="never",
        enforcement=limits.enforcement,
        max_units=limits.max_units,
        max_memory=limits.max_memory,
        max_tables=limits.max_tables,
        max_result_bytes=limits.max_result,
        max_stderr_bytes=limits.max_output,
        timeout_ns=3600 * 1_000_000_000,
    )
