"""Resources and resource templates that are Python functions."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from mcpkit.native.completion import Completer, Completers, Completion
from mcpkit.native.content import Contents
from mcpkit.native.context import Context
from mcpkit.native.errors import DefinitionError, ResourceNotFoundError
from mcpkit.native.link import Link
from mcpkit.native.signature import Handler, Signature, summary_of
from mcpkit.native.uri import UriTemplate

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class _Readable:
    """What resources and templates share."""

    def __init__(
        self,
        handler: Handler,
        uri: str,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        mime_type: str | None = None,
        annotations: dict[str, Any] | None = None,
        icons: list[dict[str, Any]] | None = None,
        meta: dict[str, Any] | None = None,
        inline: bool = False,
    ) -> None:
        if not _SCHEME.match(uri):
            raise DefinitionError(f"resource {uri!r}: a URI begins with a scheme, like data://report")
        self._signature = Signature(handler)
        self.name = name or self._signature.name
        self.title = title
        self.description = description if description is not None else summary_of(handler)
        self.mime_type = mime_type
        self.annotations = annotations
        self.icons = icons
        self.meta = meta
        self.inline = inline
        self.handler = handler

    async def _read(self, uri: str, bound: dict[str, Any], link: Link) -> list[dict[str, Any]]:
        value = await self._signature.call(bound, Context(link), inline=self.inline)
        several = isinstance(value, (list, tuple)) and bool(value) and all(isinstance(one, Contents) for one in value)
        return [_item(one, uri, self.mime_type) for one in (value if several else [value])]


class NativeResource(_Readable):
    """A resource at one URI. The handler takes nothing but, if it wants one, a `Context`."""

    def __init__(self, handler: Handler, uri: str, *, size: int | None = None, **facts: Any) -> None:
        """`size` is in bytes; `facts` are name, title, description, mime_type, annotations, icons, meta and inline.

        Raises DefinitionError.
        """
        super().__init__(handler, uri, **facts)
        self.uri = uri
        self.size = size
        if self._signature.parameters:
            names = ", ".join(self._signature.parameters)
            raise DefinitionError(f"resource {uri!r}: {names}: parameters are for URIs with {{variables}}")

    def __repr__(self) -> str:
        return f"NativeResource({self.uri!r})"

    async def read(self, link: Link) -> list[dict[str, Any]]:
        """The members of ``contents``. Raises what the handler raises."""
        return await self._read(self.uri, {}, link)


class NativeTemplate(_Readable):
    """A family of resources: a URI with variables, which are the handler's parameters."""

    def __init__(self, handler: Handler, uri_template: str, **facts: Any) -> None:
        """`facts` as those of `NativeResource`. Raises DefinitionError."""
        super().__init__(handler, uri_template, **facts)
        self.uri_template = uri_template
        self._uri = UriTemplate(uri_template)
        parameters = self._signature.parameters
        loose = [one.name for one in parameters.values() if one.required and one.name not in self._uri.required]
        unused = [name for name in self._uri.names if name not in parameters]
        if loose or unused:
            raise DefinitionError(
                f"resource {uri_template!r}: variables and parameters have to be the same ones, and those of a query "
                f"need a default: {', '.join(loose + unused)}"
            )
        kinds = {name: parameters[name].type for name in self._uri.names}
        self._completers = Completers(f"resource template {uri_template!r}", kinds)

    def __repr__(self) -> str:
        return f"NativeTemplate({self.uri_template!r})"

    def match(self, uri: str) -> dict[str, str] | None:
        """The variables of a URI of this family; None for another URI."""
        return self._uri.match(uri)

    async def read(self, uri: str, variables: dict[str, str], link: Link) -> list[dict[str, Any]]:
        """The members of ``contents``. Raises ResourceNotFoundError where a variable does not fit its parameter."""
        bound = {}
        for name, parameter in self._signature.parameters.items():
            if name not in variables:
                bound[name] = parameter.default
                continue
            try:
                bound[name] = msgspec.convert(variables[name], parameter.type, strict=False)
            except msgspec.ValidationError:
                raise ResourceNotFoundError(uri) from None
        return await self._read(uri, bound, link)

    def add_completion(self, argument: str, completer: Completer) -> None:
        """Let `completer` suggest values of a variable. Raises DefinitionError."""
        self._completers.add(argument, completer)

    async def complete(self, argument: str, value: str, context: dict[str, str]) -> Completion:
        """Suggestions for a variable."""
        return await self._completers.complete(argument, value, context)


def _item(value: Any, uri: str, mime_type: str | None) -> dict[str, Any]:
    if isinstance(value, Contents):
        return value.item(uri, mime_type)
    if isinstance(value, (str, bytes)):
        return Contents(value).item(uri, mime_type)
    text = msgspec.json.encode(value).decode()
    return Contents(text).item(uri, mime_type or "application/json")
