"""All tools of all modules of one server, under names that tell them apart."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol, overload

import msgspec

from mcpkit.core.wasm import Program
from mcpkit.guests import describe, manifest
from mcpkit.guests.command import CommandGuest
from mcpkit.guests.component import ComponentGuest
from mcpkit.guests.docs import Docs
from mcpkit.guests.errors import DuplicateToolError, ToolConfigError, UnknownToolError
from mcpkit.guests.interface import Guest, ToolSettings, ToolSpec
from mcpkit.guests.names import Claim, settle, suggestion
from mcpkit.guests.recognise import recognise

log = logging.getLogger(__name__)


class Opener(Protocol):
    """Compiles or loads a program; `mcpkit.wasm.Runtime` is one."""

    def open(self, path: Path) -> Program: ...


class Module(msgspec.Struct, frozen=True):
    """A file to serve. `name` is what configuration calls it, by default the file's stem."""

    path: Path
    name: str | None = None

    @property
    def label(self) -> str:
        return self.name or self.path.stem


class ConfiguredTool(ToolSettings, Protocol):
    """An entry of ``mcp.tools``."""

    @property
    def module(self) -> str | None:
        """The module's label; None where there is one module."""


class Labelled(Protocol):
    """A module as a configuration has it: `Module` or `mcpkit.config.schema.Module`."""

    @property
    def path(self) -> Path: ...
    @property
    def label(self) -> str: ...


class Catalogue(Sequence[ToolSpec]):
    """The tools, sorted by name."""

    def __init__(self, guests: Sequence[Guest]) -> None:
        """Raises DuplicateToolError where two tools cannot be told apart."""
        self.guests = tuple(guests)
        drafts = [(guest, draft) for guest in self.guests for draft in guest.drafts]
        claims = [Claim(f"{guest.module}/{draft.local}", draft.candidates) for guest, draft in drafts]
        specs = [
            ToolSpec(
                name=name,
                qualified=claim.owner,
                title=draft.title,
                description=draft.description,
                input_schema=draft.input_schema,
                output_schema=draft.output_schema,
                annotations=draft.annotations,
                program=guest.program,
                binding=draft.binding,
            )
            for (guest, draft), claim, name in zip(drafts, claims, settle(claims), strict=True)
        ]
        self._tools = tuple(sorted(specs, key=lambda spec: spec.name))
        self._by_name = {spec.name: spec for spec in self._tools}

    @classmethod
    def open(cls, opener: Opener, modules: Iterable[Labelled], tools: Sequence[ConfiguredTool] = ()) -> Catalogue:
        """Open every module, recognise its style and name its tools.

        Raises GuestError, and what `opener` raises for a file that cannot be read or compiled.
        """
        wanted = list(modules)
        settings = _by_module(wanted, tools)
        return cls([_guest(opener, module, settings[module.label]) for module in wanted])

    def __len__(self) -> int:
        return len(self._tools)

    def __iter__(self) -> Iterator[ToolSpec]:
        return iter(self._tools)

    @overload
    def __getitem__(self, index: int) -> ToolSpec: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ToolSpec, ...]: ...
    def __getitem__(self, index: int | slice) -> ToolSpec | tuple[ToolSpec, ...]:
        return self._tools[index]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def tool(self, name: str) -> ToolSpec:
        """By its name, or by ``module/tool``. Raises UnknownToolError, naming the nearest."""
        found = self._by_name.get(name) or next((spec for spec in self._tools if spec.qualified == name), None)
        if found is None:
            raise UnknownToolError(f"no tool is named {name!r}{suggestion(name, self._by_name)}")
        return found

    def matching(self, pattern: str) -> tuple[ToolSpec, ...]:
        """The tools that a configuration's pattern means; see `matches`."""
        return tuple(spec for spec in self._tools if matches(pattern, spec))


def matches(pattern: str, spec: ToolSpec) -> bool:
    """Whether a glob means this tool: ``module/tool`` (``calculator/*``), or without a slash the tool's own name.

    ``*`` stands for any text, ``?`` for one character; letters' case counts.
    """
    return fnmatchcase(spec.qualified if "/" in pattern else spec.name, pattern)


def _by_module(modules: Sequence[Labelled], tools: Sequence[ConfiguredTool]) -> defaultdict[str, list[ConfiguredTool]]:
    paths: dict[str, Path] = {}
    for module in modules:
        if module.label in paths:
            raise DuplicateToolError(
                f"two modules are named {module.label!r}: {paths[module.label]} and {module.path}; "
                "give one of them a name in runtime.wasm.modules"
            )
        paths[module.label] = module.path
    settings: defaultdict[str, list[ConfiguredTool]] = defaultdict(list)
    for tool in tools:
        label = tool.module
        if label is None:
            if len(modules) != 1:
                raise ToolConfigError(
                    f"mcp.tools: {tool.name!r} must say which module it belongs to"
                    f"{suggestion('', paths) if paths else '; no module is configured'}"
                )
            label = modules[0].label
        if label not in paths:
            raise ToolConfigError(f"mcp.tools: {tool.name!r}: no module is named {label!r}{suggestion(label, paths)}")
        settings[label].append(tool)
    return settings


def _guest(opener: Opener, module: Labelled, settings: Sequence[ToolSettings]) -> Guest:
    program = opener.open(module.path)
    described = describe.read(program.describe())
    style = recognise(described, str(module.path))
    if style == "command" or isinstance(described, describe.CoreModule):
        return CommandGuest(module.label, program, manifest.beside(module.path), settings)
    guest = ComponentGuest(module.label, program, described, Docs.of_file(module.path), settings)
    for reason in guest.skipped:
        log.warning("%s: not a tool: %s", module.path, reason)
    return guest
