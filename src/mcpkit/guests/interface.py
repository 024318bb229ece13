"""What every guest style provides: its tools, ready to be listed and bound to limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from mcpkit.core.meter import Claim
from mcpkit.core.wasm import LimitError, Program, Tool, keeps_rules
from mcpkit.guests import describe
from mcpkit.policy import Grants, preopens
from mcpkit.security.credentials import Wanted

NO_GRANTS = Grants()


class CallLimits(Protocol):
    """Limits of one call; `mcpkit.config.Limits` is one. 0 leaves a number at the engine's default."""

    @property
    def enforcement(self) -> Literal["strict", "warning", "tracking"]: ...
    @property
    def max_units(self) -> int: ...
    @property
    def warn_units(self) -> int: ...
    @property
    def max_memory(self) -> int:
        """Bytes of one linear memory."""

    @property
    def timeout_ns(self) -> int: ...
    @property
    def units_from(self) -> str:
        """What made `max_units` what it is."""

    @property
    def warn_memory(self) -> int: ...
    @property
    def max_tables(self) -> int: ...
    @property
    def max_instances(self) -> int:
        """Live instances of one tool."""

    @property
    def cpu(self) -> int:
        """Thousandths of a processor."""

    @property
    def max_result(self) -> int: ...
    @property
    def max_output(self) -> int: ...
    @property
    def sample_units(self) -> int: ...
    @property
    def sample_ns(self) -> int: ...
    @property
    def sample_adaptive(self) -> bool: ...
    @property
    def inline(self) -> Literal["auto", "never"]: ...


class ToolSettings(Protocol):
    """What a configuration says of a tool; `mcpkit.config.schema.ToolConfig` is one."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str | None: ...
    @property
    def description(self) -> str | None: ...
    @property
    def input_schema(self) -> dict[str, Any] | None: ...
    @property
    def output_schema(self) -> dict[str, Any] | None: ...
    @property
    def annotations(self) -> dict[str, Any] | None: ...


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """How a tool is called inside its program, and limits of its own (0: none), which only ever tighten."""

    style: Literal["command", "function"]
    interface: str | None = None
    function: str | None = None
    argv: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    max_units: int = 0
    max_memory: int = 0
    timeout_ns: int = 0
    credentials: tuple[Wanted, ...] = ()
    """What it declares to need."""


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One tool as it is listed, and how it is called."""

    name: str
    """Unique in the server; letters, digits, ``_``, ``.``, ``-``, at most 64."""
    qualified: str
    """``module/tool``: what configuration globs match. It stays the same whatever other modules are served."""
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    title: str | None = None
    description: str | None = None
    annotations: dict[str, Any] | None = None
    program: Program
    binding: Binding

    @property
    def module(self) -> str:
        return self.qualified.rpartition("/")[0]

    @property
    def style(self) -> Literal["command", "function"]:
        return self.binding.style

    def bind(
        self,
        limits: CallLimits,
        grants: Grants = NO_GRANTS,
        *,
        server_claim: Claim | None = None,
        tool_claim: Claim | None = None,
        secrets: Sequence[tuple[str, str]] = (),
    ) -> Tool:
        """The callable tool under these limits, with the folders and variables that it is granted beside its own.

        Its calls count in the accounts. `secrets` are variables, too, and masked in what it writes to stderr.

        Raises `mcpkit.core.wasm.WasmError` where the program does not link, or needs more memory than the limit, and
        `mcpkit.policy.GrantError` where it is granted folders in a way that the sandbox cannot keep to.
        """
        try:
            return self._bind(limits, grants, server_claim, tool_claim, secrets)
        except LimitError as error:
            raise LimitError(f"{self.qualified}: {error}") from None

    def _bind(
        self,
        limits: CallLimits,
        grants: Grants,
        server_claim: Claim | None,
        tool_claim: Claim | None,
        secrets: Sequence[tuple[str, str]],
    ) -> Tool:
        binding = self.binding
        own = {**dict(binding.env), **dict(secrets)}
        granted = tuple(pair for pair in grants.environment if pair[0] not in own)
        return Tool(
            self.program,
            style=binding.style,
            interface=binding.interface,
            function=binding.function,
            argv=binding.argv,
            env=binding.env + granted,
            inline=limits.inline,
            enforcement=limits.enforcement,
            max_units=_tighter(limits.max_units, binding.max_units),
            warn_units=limits.warn_units,
            max_memory=_tighter(limits.max_memory, binding.max_memory),
            timeout_ns=_tighter(limits.timeout_ns, binding.timeout_ns),
            max_tables=limits.max_tables,
            max_live=limits.max_instances,
            cpu_millis=limits.cpu,
            warn_memory=limits.warn_memory,
            max_result_bytes=limits.max_result,
            max_stderr_bytes=limits.max_output,
            sample_units=limits.sample_units,
            sample_ns=limits.sample_ns,
            sample_adaptive=limits.sample_adaptive,
            server_claim=server_claim,
            tool_claim=tool_claim,
            units_from=limits.units_from,
            secrets=secrets,
            **self._files(grants),
        )

    def _files(self, grants: Grants) -> dict[str, Any]:
        """Folders, and the rules about what is in them. Components are given folders whole."""
        if not grants.rules or not describe.sees_files(self.program):
            return {}
        if self.program.is_component or not keeps_rules():
            return {"folders": preopens(grants, self.module)}
        return {
            "folders": [(folder.host, folder.guest, True) for folder in grants.folders],
            "rules": [(rule.pattern, rule.access, rule.allow) for rule in grants.rules],
        }


def _tighter(limit: int, own: int) -> int:
    return min(limit, own) if limit and own else limit or own


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A tool of one module, before the names of all modules are settled."""

    local: str
    """Unique in its module: the second half of the qualified name."""
    candidates: tuple[str, ...]
    """Names it would go by in the server, the best first."""
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    title: str | None = None
    description: str | None = None
    annotations: dict[str, Any] | None = None
    binding: Binding


class Guest(Protocol):
    """One module under one style."""

    @property
    def module(self) -> str:
        """What the configuration calls it; by default the file's stem."""

    @property
    def program(self) -> Program: ...
    @property
    def drafts(self) -> Sequence[Draft]:
        """Its tools, in a stable order; at least one."""

    @property
    def skipped(self) -> Sequence[str]:
        """Exports that cannot be tools, each with the reason."""
