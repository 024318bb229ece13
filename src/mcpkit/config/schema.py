"""The configuration's shape: every key, its type and its default. See docs/configuration.md for what each does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from mcpkit.config import units
from mcpkit.config.convert import Check, Custom, Quantity, Range
from mcpkit.config.credentials import Credential, Given
from mcpkit.config.metering import Metering
from mcpkit.config.policy import Policy
from mcpkit.config.policy_file import convert_policy
from mcpkit.config.section import ComputeUnits, Count, Duration, Place, Port, Section, Size, Text, Where, later
from mcpkit.config.security import Security
from mcpkit.config.tasks import Tasks
from mcpkit.config.transport import Transport

Version = Annotated[
    str, Check(lambda text: text == "1" or text.startswith("1."), 'must be "1" or start with "1."', r"^1($|\.)")
]

Millicores = Annotated[int, Quantity(units.millicores, allow_number=True)]

LogLevel = Literal["trace", "debug", "info", "warning", "warn", "error"]


class Metadata(Section, frozen=True, kw_only=True):
    """About the configuration; for people, not acted on."""

    name: str | None = None
    description: str | None = None
    author: str | None = None
    created_at: str | None = None
    modified_at: str | None = None
    repository: str | None = None
    license: str | None = None


class Server(Section, frozen=True, kw_only=True):
    """Who the server says it is, and where it listens."""

    NOT_YET = later("max_connections", "request_timeout", "debug", "workers")

    name: Text = "mcpkit"
    version: Text | None = None
    """None: the package's own version."""
    title: str | None = None
    description: str | None = None
    instructions: str | None = None
    bind: Text = "127.0.0.1"
    port: Port = 3000
    log_level: LogLevel = "info"
    log_format: Literal["text", "json"] = "text"


class Module(Section, frozen=True, kw_only=True):
    """One WebAssembly file. `name` is what tools and globs call it; by default the file's stem."""

    path: Path
    name: Text | None = None
    credentials: tuple[Given, ...] = ()
    """What its guests are given, beside what a manifest declares."""

    @property
    def label(self) -> str:
        return self.name or self.path.stem


class Wasm(Section, frozen=True, kw_only=True):
    """The modules and how they run."""

    NOT_YET = later("env_vars", "enable_all", "epoch_interruption", "debug_info")
    OLD = frozenset({"fuel"})

    module_path: Path | None = None
    """One module, named after its file."""
    modules: tuple[Module, ...] = ()
    compiler: Literal["cranelift", "pulley"] = "cranelift"
    """Machine code, or bytecode for an interpreter: slower, with the same limits and units."""
    cache: bool = True
    """Whether compiled code is kept."""
    cache_dir: Path | None = None
    """Where compiled code is kept; by default in the user's cache folder."""
    fuel: ComputeUnits | None = None
    """Older form of metering.max_compute_units."""
    memory_pages: Annotated[int, Range(1, 65536)] | None = None
    """Pages of 64 KiB."""
    metering: Metering = Metering()


class RuntimeLimits(Section, frozen=True, kw_only=True):
    """Limits of one call, whatever engine runs it."""

    cpu: Millicores | None = None
    """Share of one processor in thousandths that one tool may use, averaged over a second."""
    memory: Size | None = None
    execution_time: Duration | None = None
    max_requests_per_minute: Count | None = None
    """Tool calls that the server accepts in a calendar minute."""
    max_concurrent_requests: Count | None = None
    """Instances alive at once, of all tools."""
    max_result_size: Size | None = None
    """Of one result; 4 MiB by default."""
    max_output_size: Size | None = None
    """Of what one call may write to stderr and is kept; 64 KiB by default."""


class Runtime(Section, frozen=True, kw_only=True):
    """The engine, its modules and its limits."""

    type: Literal["wasmtime", "native", "wasmedge"] = "wasmtime"
    """native: tools in Python alone. wasmedge: commands, where its library is installed."""
    inline: Literal["auto", "never"] = "auto"
    """Whether short calls may run on the event loop's own thread."""
    wasm: Wasm = Wasm()
    limits: RuntimeLimits = RuntimeLimits()


Handler = Annotated[
    str,
    Check(
        lambda text: re.fullmatch(r"([A-Za-z_][\w.]*|.+\.py):[A-Za-z_][\w.]*", text) is not None,
        "must be MODULE:FUNCTION or FILE.py:FUNCTION",
        r"^([A-Za-z_][\w.]*|.+\.py):[A-Za-z_][\w.]*$",
    ),
]


class ToolConfig(Section, frozen=True, kw_only=True):
    """What a tool is called and how it is described, for modules that do not say it themselves."""

    name: Text
    title: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    module: Text | None = None
    """The module's name; may be left out when there is one module."""
    handler: Handler | None = None
    """A tool in Python instead: ``package.module:function`` or ``path/file.py:function``."""
    annotations: dict[str, Any] | None = None
    place: Where = Place()


class Mcp(Section, frozen=True, kw_only=True):
    """The protocol's side: tools."""

    NOT_YET: ClassVar[dict[str, str]] = {
        **later("prompts", "resources", "server_info"),
        "protocol_version": "not a setting here: every revision is served at once; remove the key",
        "capabilities": "not a setting here: capabilities follow from what is served; remove the key",
    }

    tools: tuple[ToolConfig, ...] = ()


class Config(Section, frozen=True, kw_only=True):
    """A whole configuration."""

    NOT_YET = later("distribution", "extensions", "gateway", "models", "telemetry", "cluster")

    version: Version = "1.0"
    metadata: Metadata = Metadata()
    server: Server = Server()
    transport: Transport = Transport()
    runtime: Runtime = Runtime()
    mcp: Mcp = Mcp()
    tasks: Tasks = Tasks()
    security: Security = Security()
    credentials: tuple[Credential, ...] = ()
    """Secrets for guests, and where they come from."""
    policy: Annotated[Policy | None, Custom(convert_policy)] = None
    """Here, or the path of its own file. None: tools may all be used, and reach nothing."""

    def described(self) -> tuple[ToolConfig, ...]:
        """Tools of modules, as they are to be called and described."""
        return tuple(tool for tool in self.mcp.tools if tool.handler is None)

    def handlers(self) -> tuple[ToolConfig, ...]:
        """Tools written in Python."""
        return tuple(tool for tool in self.mcp.tools if tool.handler is not None)

    def modules(self) -> tuple[Module, ...]:
        """Every module, `module_path` first."""
        wasm = self.runtime.wasm
        first = (Module(path=wasm.module_path),) if wasm.module_path is not None else ()
        return first + wasm.modules
