"""A prompt that is a Python function."""

from __future__ import annotations

import logging
from typing import Annotated, Any, get_args, get_origin

import msgspec

from mcpkit.native.completion import Completer, Completers, Completion
from mcpkit.native.content import Content, Message, Prompt, message
from mcpkit.native.context import Context
from mcpkit.native.errors import ArgumentError
from mcpkit.native.link import Link
from mcpkit.native.names import check_name
from mcpkit.native.signature import Handler, Signature, summary_of

log = logging.getLogger(__name__)


class NativePrompt:
    """A prompt as it is listed, and how its messages are made. Arguments arrive as strings."""

    def __init__(
        self,
        handler: Handler,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        icons: list[dict[str, Any]] | None = None,
        meta: dict[str, Any] | None = None,
        inline: bool = False,
    ) -> None:
        """Name, description and arguments come from the function. Raises DefinitionError."""
        self._signature = Signature(handler)
        self.name = check_name("prompt", name or self._signature.name)
        self.title = title
        self.description = description if description is not None else summary_of(handler)
        self.icons = icons
        self.meta = meta
        self.inline = inline
        self.handler = handler
        parameters = self._signature.parameters.values()
        self.arguments: list[dict[str, Any]] = [
            {"name": one.name, **_described(one.type), "required": one.required} for one in parameters
        ]
        self._completers = Completers(f"prompt {self.name!r}", {one.name: one.type for one in parameters})

    def __repr__(self) -> str:
        return f"NativePrompt({self.name!r})"

    async def get(self, arguments: dict[str, str], link: Link) -> dict[str, Any]:
        """The members of a GetPromptResult. Raises ArgumentError, and what the handler raises."""
        bound = self._bind(arguments)
        value = await self._signature.call(bound, Context(link), inline=self.inline)
        description = self.description
        if isinstance(value, Prompt):
            description = value.description or description
            value = value.messages
        if isinstance(value, (str, dict, Content, Message)):
            value = [value]
        messages = [message(one) for one in value]
        return {"description": description, "messages": messages} if description else {"messages": messages}

    def add_completion(self, argument: str, completer: Completer) -> None:
        """Let `completer` suggest values of `argument`. Raises DefinitionError."""
        self._completers.add(argument, completer)

    async def complete(self, argument: str, value: str, context: dict[str, str]) -> Completion:
        """Suggestions for an argument."""
        return await self._completers.complete(argument, value, context)

    def _bind(self, arguments: dict[str, str]) -> dict[str, Any]:
        parameters = self._signature.parameters
        missing = [one.name for one in parameters.values() if one.required and one.name not in arguments]
        if missing:
            names = ", ".join(map(repr, missing))
            raise ArgumentError(f"Invalid params: prompt {self.name!r} needs {names}")
        unknown = [name for name in arguments if name not in parameters]
        if unknown:
            names = ", ".join(repr(name[:64]) for name in unknown[:5])
            raise ArgumentError(f"Invalid params: prompt {self.name!r} has no argument {names}")
        bound = {}
        for name, parameter in parameters.items():
            if name not in arguments:
                bound[name] = parameter.default
                continue
            try:
                bound[name] = msgspec.convert(arguments[name], parameter.type, strict=False)
            except msgspec.ValidationError as error:
                raise ArgumentError(f"Invalid params: prompt {self.name!r}: {name}: {error}") from None
        return bound


def _described(kind: Any) -> dict[str, str]:
    if get_origin(kind) is Annotated:
        for note in get_args(kind)[1:]:
            if isinstance(note, msgspec.Meta) and note.description:
                return {"description": note.description}
    return {}
