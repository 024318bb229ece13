"""Plain components: every exported function is a tool, with schemas from its WIT types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from mcpkit.core.wasm import Program
from mcpkit.guests.describe import Component, Function, unsupported
from mcpkit.guests.docs import Docs
from mcpkit.guests.errors import DescriptionError, ToolConfigError
from mcpkit.guests.interface import Binding, Draft, ToolSettings
from mcpkit.guests.names import is_valid, long_name, prefixed, short_name, suggestion
from mcpkit.guests.schema import input_schema, output_schema


class ComponentGuest:
    """One component. `settings` describe its functions better; they match by the short or the long name."""

    def __init__(
        self,
        module: str,
        program: Program,
        described: Component,
        docs: Docs,
        settings: Sequence[ToolSettings] = (),
    ) -> None:
        """Raises DescriptionError where no function can be a tool, ToolConfigError for settings that fit none."""
        self.module = module
        self.program = program
        self.skipped: list[str] = []
        functions = [function for function in described.exports if self._can_be_a_tool(function)]
        if not functions:
            reasons = "; ".join(self.skipped)
            raise DescriptionError(f"{module}: no exported function can be a tool: {reasons}")
        functions.sort(key=lambda function: (function.interface or "", function.name))
        by_name = self._settings_of(functions, settings)
        short = Counter(short_name(function.interface, function.name) for function in functions)
        self.drafts = [
            self._draft(function, docs, by_name.get(index), short) for index, function in enumerate(functions)
        ]

    def _can_be_a_tool(self, function: Function) -> bool:
        for what, type_ in [*((f'parameter "{param.name}"', param.type) for param in function.params),
                            ("the result", function.result)]:  # fmt: skip
            reason = unsupported(type_)
            if reason:
                self.skipped.append(f"{function.path}: {reason} in {what}")
                return False
        return True

    def _settings_of(self, functions: list[Function], settings: Sequence[ToolSettings]) -> dict[int, ToolSettings]:
        found: dict[int, ToolSettings] = {}
        known = {name for function in functions for name in _names(function)}
        for setting in settings:
            fitting = [index for index, function in enumerate(functions) if setting.name in _names(function)]
            if len(fitting) != 1:
                problem = (
                    f"fits {len(fitting)} functions; use the long name of one"
                    if fitting
                    else f"is no function of it{suggestion(setting.name, known)}"
                )
                raise ToolConfigError(f"mcp.tools: {setting.name!r} of the module {self.module!r} {problem}")
            if fitting[0] in found:
                raise ToolConfigError(f"mcp.tools: {setting.name!r} of the module {self.module!r} is described twice")
            found[fitting[0]] = setting
        return found

    def _draft(self, function: Function, docs: Docs, settings: ToolSettings | None, short: Counter[str]) -> Draft:
        alone = short_name(function.interface, function.name)
        long = long_name(function.interface, function.name)
        local = alone if short[alone] == 1 else long
        candidates = dict.fromkeys([alone, long, prefixed(self.module, alone), prefixed(self.module, long)])
        draft = Draft(
            local=local,
            candidates=tuple(filter(is_valid, candidates)),
            description=docs.function(function.interface, function.name) or _generated(function),
            input_schema=input_schema(function),
            output_schema=output_schema(function),
            binding=Binding(style="function", interface=function.interface, function=function.name),
        )
        if settings is None:
            return draft
        return msgspec.structs.replace(
            draft,
            title=settings.title,
            description=settings.description or draft.description,
            input_schema=settings.input_schema or draft.input_schema,
            output_schema=settings.output_schema or draft.output_schema,
            annotations=settings.annotations,
        )


def _names(function: Function) -> tuple[str, str, str]:
    return (
        function.name,
        short_name(function.interface, function.name),
        long_name(function.interface, function.name),
    )


def _generated(function: Function) -> str:
    interface = (function.interface or "").partition("@")[0]
    return f"{function.name} ({interface})" if interface else function.name
