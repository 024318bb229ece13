"""A handler's parameters: their JSON Schema, and how arguments become them."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import msgspec

from mcpkit.native.context import Context
from mcpkit.native.errors import ArgumentError, DefinitionError
from mcpkit.native.types import convert, described, schema_of

Handler = Callable[..., Any]
_IMMUTABLE = (type(None), bool, int, float, str, bytes, tuple, frozenset)


class Parameter(msgspec.Struct, frozen=True):
    """One argument of a handler."""

    name: str
    type: Any
    default: Any = msgspec.NODEFAULT

    @property
    def required(self) -> bool:
        return self.default is msgspec.NODEFAULT


class Signature:
    """What a handler takes. Raises DefinitionError for a function whose parameters cannot be arguments."""

    def __init__(self, handler: Handler, *, rest: bool = False) -> None:
        """`rest` allows ``**kwargs``, which then takes every argument without a parameter of its own."""
        self.handler = handler
        self.name = name_of(handler)
        self.hints = _hints(handler)
        self.is_async = inspect.iscoroutinefunction(_callable(handler))
        self.context: str | None = None
        """The parameter that takes the `Context`."""
        self.rest = False
        self.parameters: dict[str, Parameter] = {}
        for parameter in inspect.signature(handler).parameters.values():
            kind = self.hints.get(parameter.name, Any)
            if _is_context(kind):
                self.context = parameter.name
            elif parameter.kind is parameter.VAR_KEYWORD and rest:
                self.rest = True
            elif parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY}:
                raise DefinitionError(
                    f"{self.name}: parameter {parameter} cannot be given by name; "
                    + ("" if rest else "arguments are named: write one parameter for each")
                )
            else:
                default = msgspec.NODEFAULT if parameter.default is parameter.empty else parameter.default
                self.parameters[parameter.name] = Parameter(parameter.name, described(kind), default)
        self._struct = self._as_struct()

    def schema(self) -> dict[str, Any]:
        """JSON Schema of an object with the arguments as members, and no others."""
        schema = schema_of(self._struct)
        schema.pop("title", None)
        if not schema["required"]:
            del schema["required"]
        for parameter in self.parameters.values():
            member = schema["properties"][parameter.name]
            if not parameter.required and "default" not in member:
                member.update(_default(parameter.default))
        return schema

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The handler's keyword arguments, all but the context. Raises ArgumentError, naming what does not fit."""
        try:
            bound = convert(dict(arguments), self._struct)
        except msgspec.ValidationError as error:
            raise ArgumentError(f"invalid arguments for {self.name}: {error}") from None
        return {name: getattr(bound, name) for name in self.parameters}

    def bind_checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """As `bind`, for arguments that were held against a schema of the author's own: only what has a parameter."""
        known = {name: value for name, value in arguments.items() if name in self.parameters}
        bound = self.bind(known)
        return {**arguments, **bound} if self.rest else bound

    async def call(self, bound: dict[str, Any], context: Context, *, inline: bool = False) -> Any:
        """Run the handler: coroutines here, functions in a thread unless `inline`."""
        if self.context is not None:
            bound = {**bound, self.context: context}
        if self.is_async:
            return await self.handler(**bound)
        if inline:
            return self.handler(**bound)
        try:
            return await asyncio.to_thread(self.handler, **bound)
        except asyncio.CancelledError:
            context.abandon()
            raise

    def _as_struct(self) -> type[msgspec.Struct]:
        fields: list[tuple[str, Any, Any] | tuple[str, Any]] = []
        for parameter in self.parameters.values():
            if parameter.required:
                fields.append((parameter.name, parameter.type))
            elif isinstance(parameter.default, _IMMUTABLE):
                fields.append((parameter.name, parameter.type, parameter.default))
            else:
                given = functools.partial(_same, parameter.default)
                fields.append((parameter.name, parameter.type, msgspec.field(default_factory=given)))
        try:
            struct = msgspec.defstruct("arguments", fields, kw_only=True, forbid_unknown_fields=True)
            schema_of(struct)
        except TypeError as error:
            raise DefinitionError(f"{self.name}: a parameter's type has no JSON form: {error}") from None
        return struct


def name_of(handler: Handler) -> str:
    """What a function is called by its author."""
    return str(getattr(handler, "__name__", None) or type(handler).__name__)


def summary_of(handler: Handler) -> str | None:
    """A function's docstring."""
    return inspect.getdoc(handler) if hasattr(handler, "__name__") else None


def _same(value: Any) -> Any:
    return value


def _default(value: Any) -> dict[str, Any]:
    """``{"default": …}`` where the value has a JSON form."""
    try:
        return {"default": msgspec.to_builtins(value, str_keys=True)}
    except TypeError:
        return {}


def _callable(handler: Handler) -> Handler:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if inspect.isroutine(handler):
        return handler
    call: Handler = type(handler).__call__
    return call


def _hints(handler: Handler) -> dict[str, Any]:
    function = _callable(handler)
    function = getattr(function, "__func__", function)
    # Classes that were defined beside the function, inside another one, are found where it closes over them.
    cells = getattr(function, "__closure__", None) or ()
    names = function.__code__.co_freevars if cells else ()
    local = {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}
    try:
        return get_type_hints(function, localns=local, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{name_of(handler)}: {error} in an annotation; define or import it at the top of the module, "
            "where annotations are looked up"
        ) from None


def _is_context(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Context)
