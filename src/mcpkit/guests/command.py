"""WASI commands: arguments as JSON on stdin, one JSON value on stdout, a fresh instance per call.

A command cannot describe itself. Its tools come from ``mcp.tools``, else from the manifest beside it, else it is one
tool named after the file that takes any object. With several tools on one module the tool's name is the command's first
argument and stands in ``MCPKIT_TOOL``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcpkit.core.wasm import Program
from mcpkit.guests.errors import ManifestError, ToolConfigError
from mcpkit.guests.interface import Binding, Draft, ToolSettings
from mcpkit.guests.manifest import Manifest
from mcpkit.guests.names import is_valid, prefixed, shortened, underscored
from mcpkit.security.credentials import Wanted

ANY_OBJECT: dict[str, Any] = {"type": "object"}
TOOL_VARIABLE = "MCPKIT_TOOL"


class CommandGuest:
    """One module or component that is run, not called."""

    def __init__(
        self,
        module: str,
        program: Program,
        manifest: Manifest | None = None,
        settings: Sequence[ToolSettings] = (),
    ) -> None:
        """Raises ToolConfigError or ManifestError for a name that cannot be a tool's."""
        self.module = module
        self.program = program
        self.skipped: Sequence[str] = ()
        self._manifest = manifest or Manifest()
        self._several = len(settings) > 1
        self.drafts = [self._configured(setting) for setting in settings] or [self._from_manifest()]

    def _configured(self, settings: ToolSettings) -> Draft:
        if not is_valid(settings.name):
            raise ToolConfigError(
                f"mcp.tools: {settings.name!r} of the module {self.module!r} is no tool name; "
                "use 1 to 64 letters, digits, '_', '.' or '-'"
            )
        manifest = Manifest() if self._several else self._manifest
        return Draft(
            local=settings.name,
            candidates=(settings.name,),
            title=settings.title or manifest.title,
            description=settings.description or manifest.description,
            input_schema=settings.input_schema or manifest.input_schema or ANY_OBJECT,
            output_schema=settings.output_schema or manifest.output_schema,
            annotations=settings.annotations or manifest.annotations,
            binding=self._binding(settings.name),
        )

    def _from_manifest(self) -> Draft:
        manifest = self._manifest
        name = manifest.name
        if name is None:
            name = self.module if is_valid(self.module) else shortened(underscored(self.module)) or "tool"
        elif not is_valid(name):
            raise ManifestError(
                f"{self.module}: the manifest's name {name!r} is no tool name; "
                "use 1 to 64 letters, digits, '_', '.' or '-'"
            )
        return Draft(
            local=name,
            candidates=tuple(dict.fromkeys([name, prefixed(self.module, name)])),
            title=manifest.title,
            description=manifest.description,
            input_schema=manifest.input_schema or ANY_OBJECT,
            output_schema=manifest.output_schema,
            annotations=manifest.annotations,
            binding=self._binding(name),
        )

    def _binding(self, name: str) -> Binding:
        manifest = self._manifest
        environment = {variable.name: variable.value for variable in manifest.env_vars}
        if self._several:
            environment[TOOL_VARIABLE] = name
        return Binding(
            style="command",
            argv=(self.module, name) if self._several else (self.module,),
            env=tuple(environment.items()),
            max_units=manifest.max_fuel or 0,
            max_memory=manifest.max_memory_bytes or 0,
            timeout_ns=(manifest.timeout_seconds or 0) * 1_000_000_000,
            credentials=tuple(Wanted(one.name, one.env_var, one.required) for one in manifest.credentials),
        )
