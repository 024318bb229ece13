"""A tool that is a Python function."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal

from mcpkit.native.context import Context
from mcpkit.native.errors import ArgumentError, DefinitionError, ProtocolError, ToolError
from mcpkit.native.link import Link
from mcpkit.native.names import check_name
from mcpkit.native.output import Output, OutputError, output_of
from mcpkit.native.signature import Handler, Signature, summary_of
from mcpkit.schema import Checker, SchemaError, SchemaMismatch, header_parameters

log = logging.getLogger(__name__)

TaskSupport = Literal["forbidden", "optional", "required"]
TaskBegins = Literal["at once", "by the tool"]


class NativeTool:
    """A tool as it is listed, and how it is called. The attributes are what `tools/list` shows."""

    def __init__(
        self,
        handler: Handler,
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
        task_support: TaskSupport = "forbidden",
        task_begins: TaskBegins = "at once",
        timeout: float | None = None,
        inline: bool = False,
    ) -> None:
        """Name, description and both schemas come from the function where they are not given.

        A given schema is listed exactly as it is. `structured` decides whether results carry structured content where
        the return annotation alone should not. `timeout` is in seconds. `inline` runs a function that is no
        coroutine on the event loop, for handlers that take microseconds; others run in a thread. A task that begins
        ``by the tool`` is an ordinary call until its handler awaits `Context.begin_task`, and may ask the client first.

        Raises DefinitionError.
        """
        self._signature = Signature(handler, rest=input_schema is not None)
        self.name = check_name("tool", name or self._signature.name)
        self.title = title
        self.description = description if description is not None else summary_of(handler)
        self.annotations = annotations
        self.icons = icons
        self.meta = meta
        self.task_support: TaskSupport = task_support
        self.task_begins: TaskBegins = task_begins
        self.timeout = timeout
        self.inline = inline
        self.handler = handler
        try:
            self._checker = Checker(input_schema) if input_schema is not None else None
            self.input_schema = self._signature.schema() if input_schema is None else input_schema
            self.headers = header_parameters(self.input_schema)
            self._output = Output(output_schema) if output_schema is not None else self._promised(structured)
        except SchemaError as error:
            raise DefinitionError(f"tool {self.name!r}: {error}") from None
        if self.input_schema.get("type") != "object":
            raise DefinitionError(f'tool {self.name!r}: an input schema has "type": "object" at its root')
        self.output_schema = self._output.schema

    def __repr__(self) -> str:
        return f"NativeTool({self.name!r})"

    async def call(self, arguments: dict[str, Any], link: Link) -> dict[str, Any]:
        """The members of a CallToolResult. What is the caller's or the handler's fault is a result with ``isError``.

        Raises ProtocolError where a handler raises one, and whatever `link` leaves a handler by.
        """
        context = Context(link)
        try:
            bound = self._bind(arguments)
            async with asyncio.timeout(self.timeout):
                value = await self._signature.call(bound, context, inline=self.inline)
            return self._output.result(value, objects_only=link.era == "legacy")
        except ToolError as error:
            return failure(str(error))
        except _BadArgumentsError as error:
            return failure(str(error))
        except ProtocolError:
            raise
        except Exception as error:
            if error is context.refusal:
                raise
            if isinstance(error, TimeoutError) and self.timeout is not None:
                return failure(f"the tool {self.name!r} did not end within {self.timeout:g} s")
            if isinstance(error, OutputError):
                log.error("tool %s: %s", self.name, error)
            else:
                log.exception("tool %s failed", self.name)
            return failure(f"the tool {self.name!r} failed; the server's log says why")

    def _bind(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._checker is None:
                return self._signature.bind(arguments)
            self._checker.check(arguments)
            return self._signature.bind_checked(arguments)
        except SchemaMismatch as error:
            raise _BadArgumentsError(f"invalid arguments for {self.name}: {error}") from None
        except ArgumentError as error:
            raise _BadArgumentsError(error.message) from None

    def _promised(self, structured: bool | None) -> Output:
        try:
            return output_of(self._signature.hints.get("return"), structured)
        except TypeError as error:
            raise DefinitionError(f"tool {self.name!r}: the return type has no JSON form: {error}") from None


class _BadArgumentsError(Exception):
    """Told apart from what a handler raises."""


def failure(message: str) -> dict[str, Any]:
    """A result that is an error, for the model to read."""
    return {"content": [{"type": "text", "text": message}], "isError": True}
