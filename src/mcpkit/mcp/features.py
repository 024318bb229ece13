"""What a server offers beside its fixed answers, method by method: the asynchronous half of the protocol.

Tools, resources and prompts written in Python come from a registry; WebAssembly tools are reached through `call_guest`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from mcpkit.mcp.errors import (
    INVALID_PARAMS,
    NAMES,
    RESOURCE_NOT_FOUND,
    McpError,
    invalid_params,
)
from mcpkit.mcp.guard import Guard
from mcpkit.mcp.hub import Changed, Hub, Wishes
from mcpkit.mcp.legacy import LegacyLink
from mcpkit.mcp.link import Link
from mcpkit.mcp.params import ListParams, LogLevel
from mcpkit.mcp.skills import Skill, Skills
from mcpkit.mcp.task_service import Begin, Tasks
from mcpkit.mcp.tasks import Support
from mcpkit.mcp.tools import ToolSpec
from mcpkit.native import Completion, ProtocolError, ResourceNotFoundError

PAGE = 1000
"""Items of one page of a list."""

S = TypeVar("S", bound=msgspec.Struct)

Call = Callable[[str, dict[str, Any], Link], Awaitable[dict[str, Any]]]


class Tool(ToolSpec, Protocol):
    """A tool written in Python."""

    @property
    def task_support(self) -> Support: ...
    @property
    def task_begins(self) -> Begin: ...
    async def call(self, arguments: dict[str, Any], link: Link) -> dict[str, Any]: ...


class Described(Protocol):
    """What the items of every list have in common."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str | None: ...
    @property
    def description(self) -> str | None: ...
    @property
    def icons(self) -> Sequence[dict[str, Any]] | None: ...
    @property
    def meta(self) -> dict[str, Any] | None: ...


class Located(Described, Protocol):
    """A resource, or a template of resources."""

    @property
    def mime_type(self) -> str | None: ...
    @property
    def annotations(self) -> dict[str, Any] | None: ...


class Resource(Located, Protocol):
    @property
    def uri(self) -> str: ...
    @property
    def size(self) -> int | None: ...
    async def read(self, link: Link) -> list[dict[str, Any]]: ...


class Template(Located, Protocol):
    @property
    def uri_template(self) -> str: ...
    def match(self, uri: str) -> dict[str, str] | None: ...
    async def read(self, uri: str, variables: dict[str, str], link: Link) -> list[dict[str, Any]]: ...
    async def complete(self, argument: str, value: str, context: dict[str, str]) -> Completion: ...


class Prompt(Described, Protocol):
    @property
    def arguments(self) -> Sequence[dict[str, Any]]: ...
    async def get(self, arguments: dict[str, str], link: Link) -> dict[str, Any]: ...
    async def complete(self, argument: str, value: str, context: dict[str, str]) -> Completion: ...


class Registry(Protocol):
    """What is written in Python; `mcpkit.native.Registry` is one."""

    @property
    def tools(self) -> Mapping[str, Tool]: ...
    @property
    def resources(self) -> Mapping[str, Resource]: ...
    @property
    def templates(self) -> Sequence[Template]: ...
    @property
    def prompts(self) -> Mapping[str, Prompt]: ...
    @property
    def skills(self) -> Mapping[str, Skill]:
        """By the URI of their SKILL.md; their files are among the resources."""

    @property
    def changed(self) -> list[Callable[[Changed], None]]:
        """Called when a list has changed."""

    @property
    def updated(self) -> list[Callable[[str], None]]:
        """Called with the URI of a resource that has changed."""


class Nothing:
    """A registry without anything in it."""

    def __init__(self) -> None:
        self.tools: dict[str, Tool] = {}
        self.resources: dict[str, Resource] = {}
        self.templates: list[Template] = []
        self.prompts: dict[str, Prompt] = {}
        self.skills: dict[str, Skill] = {}
        self.changed: list[Callable[[Changed], None]] = []
        self.updated: list[Callable[[str], None]] = []


def has_resource(registry: Registry, uri: str) -> bool:
    """Whether a URI is one that can be read."""
    return uri in registry.resources or any(template.match(uri) is not None for template in registry.templates)


class _Named(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, Any] | UnsetType = UNSET


class _Prompted(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, str] | UnsetType = UNSET


class _Located(msgspec.Struct, frozen=True):
    uri: str


class _Level(msgspec.Struct, frozen=True):
    level: LogLevel


class _Argument(msgspec.Struct, frozen=True):
    name: str
    value: str


class _Context(msgspec.Struct, frozen=True):
    arguments: dict[str, str] = {}


class _Completing(msgspec.Struct, frozen=True):
    ref: dict[str, Any]
    argument: _Argument
    context: _Context = _Context()


class _Listening(msgspec.Struct, frozen=True):
    notifications: Wishes


class Features:
    """Serves the methods that need more than a fixed answer. Results are objects without the era's own members."""

    def __init__(
        self,
        registry: Registry,
        call_tool: Call,
        hub: Hub,
        tasks: Tasks | None = None,
        may_call: Callable[[str, Link], None] = lambda name, link: None,
        guard: Guard | None = None,
    ) -> None:
        """`may_call` raises Denied where a caller may not use a tool; `guard` is the policy's."""
        self._guard = guard = guard or Guard()
        self._may_call = may_call
        self._tasks = tasks
        self._registry = registry
        self._call_tool = call_tool
        self._hub = hub
        self._methods: dict[str, Callable[[dict[str, Any], Link], Awaitable[dict[str, Any]]]] = {
            "tools/call": self._tools_call,
            "resources/list": self._resources_list,
            "resources/templates/list": self._templates_list,
            "resources/read": self._resources_read,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
            "prompts/list": self._prompts_list,
            "prompts/get": self._prompts_get,
            "completion/complete": self._complete,
            "logging/setLevel": self._set_level,
            "subscriptions/listen": self._listen,
            **Skills(guard.visible(registry.skills)).methods,
        }
        if tasks is not None:
            for method in ("tasks/get", "tasks/result", "tasks/list", "tasks/update", "tasks/cancel"):
                self._methods[method] = partial(tasks.handle, method)

    def serves(self, method: str) -> bool:
        return method in self._methods

    async def serve(self, method: str, params: dict[str, Any], link: Link) -> dict[str, Any]:
        return await _in_our_words(self._methods[method](params, link), link)

    async def _tools_call(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        named = _read(_Named, params)
        self._may_call(named.name, link)
        arguments = named.arguments or {}
        tool = self._registry.tools.get(named.name)
        support = tool.task_support if tool is not None else "forbidden"
        if self._tasks is None or not self._tasks.wants(link.era, params, link.capabilities, support, link.revision):
            return await self._call_tool(named.name, arguments, link)

        async def run(task_link: Link) -> dict[str, Any]:
            return await _in_our_words(self._call_tool(named.name, arguments, task_link), task_link)

        begins = tool.task_begins if tool is not None else "at once"
        return await self._tasks.create(named.name, params, link, run, begin=begins)

    async def _resources_list(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        lists = self._guard.lists_resource
        resources = [found for uri, found in sorted(self._registry.resources.items()) if lists(uri)]
        described = [{"uri": found.uri, **_located(found), **_given(size=found.size)} for found in resources]
        return _page("resources", described, params)

    async def _templates_list(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        lists = self._guard.lists_resource
        listed = [template for template in self._registry.templates if lists(template.uri_template)]
        templates = sorted(listed, key=lambda template: template.uri_template)
        described = [{"uriTemplate": template.uri_template, **_located(template)} for template in templates]
        return _page("resourceTemplates", described, params)

    async def _resources_read(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        uri = _read(_Located, params).uri
        self._guard.resource("resources/read", uri, link)
        resource = self._registry.resources.get(uri)
        if resource is not None:
            return {"contents": await resource.read(link)}
        for template in self._registry.templates:
            variables = template.match(uri)
            if variables is not None:
                return {"contents": await template.read(uri, variables, link)}
        raise no_resource(uri, link)

    def _known(self, uri: str, link: Link) -> str:
        self._guard.resource("resources/subscribe", uri, link, subscribe=True)
        if has_resource(self._registry, uri):
            return uri
        raise no_resource(uri, link)

    async def _subscribe(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        if isinstance(link, LegacyLink):
            link.owner.watched.add(self._known(_read(_Located, params).uri, link))
        return {}

    async def _unsubscribe(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        if isinstance(link, LegacyLink):
            link.owner.watched.discard(_read(_Located, params).uri)
        return {}

    async def _prompts_list(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        lists = self._guard.lists_prompt
        prompts = [prompt for name, prompt in sorted(self._registry.prompts.items()) if lists(name)]
        return _page("prompts", [{**_described(p), "arguments": list(p.arguments)} for p in prompts], params)

    async def _prompts_get(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        named = _read(_Prompted, params)
        prompt = self._registry.prompts.get(named.name)
        if prompt is None:
            raise invalid_params(f"unknown prompt {named.name[:128]!r}; prompts/list names the prompts there are")
        arguments = named.arguments or {}
        self._guard.prompt("prompts/get", named.name, arguments, link)
        return self._guard.prompted(named.name, await prompt.get(arguments, link), link)

    async def _complete(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        asked = _read(_Completing, params)
        source = self._completer(asked.ref, link)
        values = await source.complete(asked.argument.name, asked.argument.value, asked.context.arguments)
        counted = {"total": values.total} if values.total is not None else {}
        return {"completion": {"values": values, **counted, "hasMore": values.has_more}}

    def _completer(self, ref: dict[str, Any], link: Link) -> Prompt | Template:
        match ref:
            case {"type": "ref/prompt", "name": str(name)}:
                prompt = self._registry.prompts.get(name)
                if prompt is None:
                    raise invalid_params(f"unknown prompt {name[:128]!r}")
                self._guard.prompt("completion/complete", name, {}, link)
                return prompt
            case {"type": "ref/resource", "uri": str(uri)}:
                for template in self._registry.templates:
                    if uri == template.uri_template or template.match(uri) is not None:
                        self._guard.resource("completion/complete", uri, link)
                        return template
                raise invalid_params(f"unknown resource template {uri[:128]!r}")
        raise invalid_params('ref must be {"type": "ref/prompt", "name": …} or {"type": "ref/resource", "uri": …}')

    async def _set_level(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        level = _read(_Level, params).level
        if isinstance(link, LegacyLink):
            link.owner.log_level = level
        return {}

    async def _listen(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        return await self._hub.listen(link, _read(_Listening, params).notifications)


async def _in_our_words(answer: Awaitable[dict[str, Any]], link: Link) -> dict[str, Any]:
    """The answer; what a handler's refusal says is said as the protocol's error."""
    try:
        return await answer
    except ProtocolError as error:
        raise McpError(error.code, error.message, error.data) from None
    except ResourceNotFoundError as error:
        raise no_resource(error.uri, link) from None


def no_resource(uri: str, link: Link) -> McpError:
    """An unknown URI: a code of its own before 2026-07-28, invalid parameters since."""
    code = RESOURCE_NOT_FOUND if link.era == "legacy" else INVALID_PARAMS
    name = "Resource not found" if link.era == "legacy" else f"{NAMES[INVALID_PARAMS]}: no such resource"
    return McpError(code, f"{name}: {uri[:256]}", {"uri": uri})


def _read(struct: type[S], params: dict[str, Any]) -> S:
    try:
        return msgspec.convert(params, struct)
    except msgspec.MsgspecError as error:
        raise invalid_params(str(error)) from None


def _given(**members: Any) -> dict[str, Any]:
    return {key: value for key, value in members.items() if value is not None}


def _described(item: Described) -> dict[str, Any]:
    return _given(name=item.name, title=item.title, description=item.description, icons=item.icons, _meta=item.meta)


def _located(item: Located) -> dict[str, Any]:
    return {**_described(item), **_given(mimeType=item.mime_type, annotations=item.annotations)}


def _page(member: str, items: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """One page; a cursor is the offset of its first item, opaque to clients."""
    cursor = _read(ListParams, params).cursor
    start = 0
    if cursor:
        if not (cursor.startswith("o") and cursor[1:].isdigit() and 0 < int(cursor[1:]) < len(items)):
            raise invalid_params(f"unknown cursor {cursor[:64]!r}; start again without one")
        start = int(cursor[1:])
    page: dict[str, Any] = {member: items[start : start + PAGE]}
    if start + PAGE < len(items):
        page["nextCursor"] = f"o{start + PAGE}"
    return page
