"""A server written in Python: tools, resources and prompts as functions, WebAssembly modules beside them.

server = Server("weather", version="1.0.0")

@server.tool
async def forecast(city: str, days: int = 3) -> str:
    "Says what the weather will be."
    ...

server.run()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import msgspec

from mcpkit.config import Config, Module, load
from mcpkit.native import DefinitionError, NativePrompt, NativeResource, NativeTemplate, NativeTool, Registry
from mcpkit.native.skills import load_skills
from mcpkit.native.tool import TaskBegins, TaskSupport

if TYPE_CHECKING:
    from mcpkit.application import Application
    from mcpkit.transport import AsgiApp

F = TypeVar("F", bound=Callable[..., Any])


class Server:
    """Registers functions and serves them. What was registered can still change while the server runs.

    Every decorator gives its function back unchanged, and raises `mcpkit.native.DefinitionError` for a function that
    cannot be served.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        version: str | None = None,
        title: str | None = None,
        description: str | None = None,
        instructions: str | None = None,
        config: Config | str | Path | None = None,
    ) -> None:
        """`config` is a configuration or its file: transports, limits, access, modules. What is named here wins.

        Raises `mcpkit.ConfigError`.
        """
        given = load(config) if isinstance(config, (str, Path)) else config or Config()
        named = {
            "name": name,
            "version": version,
            "title": title,
            "description": description,
            "instructions": instructions,
        }
        who = {key: value for key, value in named.items() if value is not None}
        self._config = msgspec.structs.replace(given, server=msgspec.structs.replace(given.server, **who))
        self._modules: list[tuple[Path, str | None]] = []
        self.registry = self._configured()

    def _configured(self) -> Registry:
        """The handlers that the configuration names."""
        if not self._config.handlers():
            return Registry()
        from mcpkit.native.handlers import registry_of

        return registry_of(self._config.handlers(), self._config.runtime.limits.execution_time)

    @property
    def name(self) -> str:
        return self._config.server.name

    @property
    def config(self) -> Config:
        """The configuration, with what was added here."""
        config = self._config
        added = tuple(Module(path=path, name=name) for path, name in self._modules)
        wasm = msgspec.structs.replace(config.runtime.wasm, modules=config.runtime.wasm.modules + added)
        return msgspec.structs.replace(config, runtime=msgspec.structs.replace(config.runtime, wasm=wasm))

    # --- registering ---

    @overload
    def tool(self, handler: F, /) -> F: ...
    @overload
    def tool(
        self,
        /,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        input_schema: dict[str, Any] | None = None,
        output_schema: dict[str, Any] | None = None,
        structured: bool | None = None,
        annotations: dict[str, Any] | None = None,
        icons: list[dict[str, Any]] | None = None,
        meta: dict[str, Any] | None = None,
        task: TaskSupport = "forbidden",
        task_begins: TaskBegins = "at once",
        timeout: float | None = None,
        inline: bool = False,
    ) -> Callable[[F], F]: ...
    def tool(self, handler: F | None = None, /, *, task: TaskSupport = "forbidden", **facts: Any) -> Any:
        """Serve a function as a tool; see `mcpkit.native.NativeTool` for what can be said of one.

        `task` says whether calls may go on in the background: never, where the client wants it, or always.
        """

        def register(handler: F) -> F:
            self.registry.add_tool(NativeTool(handler, task_support=task, **facts))
            return handler

        return register if handler is None else register(handler)

    def resource(
        self,
        uri: str,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        mime_type: str | None = None,
        size: int | None = None,
        annotations: dict[str, Any] | None = None,
        icons: list[dict[str, Any]] | None = None,
        meta: dict[str, Any] | None = None,
        inline: bool = False,
    ) -> Callable[[F], F]:
        """Serve what a function returns at `uri`; with variables in it (``data://{id}``), a family of resources.

        `size` is in bytes, and for a single resource only.
        """
        facts: dict[str, Any] = {
            "name": name,
            "title": title,
            "description": description,
            "mime_type": mime_type,
            "annotations": annotations,
            "icons": icons,
            "meta": meta,
            "inline": inline,
        }

        def register(handler: F) -> F:
            if "{" in uri:
                if size is not None:
                    raise DefinitionError(f"resource {uri!r}: the resources of a template have no common size")
                self.registry.add_resource(NativeTemplate(handler, uri, **facts))
            else:
                self.registry.add_resource(NativeResource(handler, uri, size=size, **facts))
            return handler

        return register

    @overload
    def prompt(self, handler: F, /) -> F: ...
    @overload
    def prompt(
        self,
        /,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        icons: list[dict[str, Any]] | None = None,
        meta: dict[str, Any] | None = None,
        inline: bool = False,
    ) -> Callable[[F], F]: ...
    def prompt(self, handler: F | None = None, /, **facts: Any) -> Any:
        """Serve a function as a prompt: it returns a string, a message, or a list of them."""

        def register(handler: F) -> F:
            self.registry.add_prompt(NativePrompt(handler, **facts))
            return handler

        return register if handler is None else register(handler)

    def completion(self, of: str, argument: str) -> Callable[[F], F]:
        """Let a function suggest values for an argument of the prompt, or a variable of the URI template, `of`.

        It takes the text typed so far, and optionally a dict of the arguments chosen before, and returns strings.
        """

        def register(completer: F) -> F:
            self._completed(of).add_completion(argument, completer)
            return completer

        return register

    def add_module(self, path: str | Path, name: str | None = None) -> None:
        """Serve a WebAssembly module's tools too. `name` is what configuration calls it, by default the file's stem.

        Modules are opened when the server starts.
        """
        self._modules.append((Path(path), name))

    def add_skills(self, folder: str | Path, prefix: str = "") -> None:
        """Serve the Agent Skills in a folder: each a SKILL.md and what is beside it."""
        for skill in load_skills(Path(folder), prefix):
            self.registry.add_skill(skill)

    # --- changing ---

    def remove_tool(self, name: str) -> None:
        """Stop serving a tool. Raises `mcpkit.native.UnknownError`."""
        self.registry.remove_tool(name)

    def remove_prompt(self, name: str) -> None:
        """Stop serving a prompt. Raises `mcpkit.native.UnknownError`."""
        self.registry.remove_prompt(name)

    def remove_resource(self, uri: str) -> None:
        """Stop serving a resource, or a family of them. Raises `mcpkit.native.UnknownError`."""
        self.registry.remove_resource(uri)

    def resource_updated(self, uri: str) -> None:
        """Tell those who watch a resource that it has changed."""
        self.registry.resource_updated(uri)

    # --- serving ---

    def application(self) -> Application:
        """What transports serve; a context manager. For tests, and transports of one's own.

        Raises what opening the modules raises.
        """
        from mcpkit.application import Application

        return Application(self.config, registry=self.registry)

    def run(
        self,
        transport: Literal["stdio", "http", "websocket"] | None = None,
        *,
        host: str | None = None,
        port: int | None = None,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        """Serve until stdin ends, or until SIGINT or SIGTERM. Blocks.

        Transport, host and port are the configuration's where they are not given: stdio, 127.0.0.1 and 3000 without
        one. Port 0 takes a free one. `ready` is called with the URL once the server listens; by default it is printed.

        Raises what opening the modules raises, and OSError where the server cannot listen.
        """
        from mcpkit.application import Application
        from mcpkit.transport import transport_for

        replace = msgspec.structs.replace
        config = self.config
        server = replace(
            config.server,
            bind=config.server.bind if host is None else host,
            port=config.server.port if port is None else port,
        )
        kind = replace(config.transport, type=transport or config.transport.type)
        config = replace(config, server=server, transport=kind)
        tell = ready or self._announce
        with Application(config, registry=self.registry) as app:
            transport_for(config).run(app, lambda at: tell(at.url))

    def asgi_app(self, *, hosts: Iterable[str] = ()) -> AsgiApp:
        """An ASGI application, to be mounted in any other; see `mcpkit.transport.asgi_app`.

        Raises what opening the modules raises.
        """
        from mcpkit.transport import asgi_app

        return asgi_app(self.application(), hosts=hosts, owned=True)

    def _announce(self, url: str) -> None:
        print(f"{self.name} serves MCP at {url}", flush=True)

    def _completed(self, of: str) -> NativePrompt | NativeTemplate:
        prompt = self.registry.prompts.get(of)
        if prompt is not None:
            return prompt
        for template in self.registry.templates:
            if template.uri_template == of:
                return template
        raise DefinitionError(f"completion of {of!r}: there is no such prompt or URI template; register it first")
