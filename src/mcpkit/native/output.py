"""A tool's return value as a result: content for the model, structured content for programs."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import msgspec

from mcpkit.native.content import Content, Message, Result, blocks
from mcpkit.native.types import convert, described, schema_of
from mcpkit.schema import Checker, SchemaMismatch


class OutputError(Exception):
    """A handler returned something else than its tool promises."""


class Output:
    """What a tool promises to return.

    `schema` is what clients are told; None for a tool whose answers are content alone. A value that is no JSON object
    travels as ``{"result": value}`` where the schema was made from an annotation.
    """

    def __init__(self, schema: dict[str, Any] | None, *, kind: Any = None, wrapped: bool = False) -> None:
        """`kind` is the annotation that the schema was made from; without one the schema is the author's own.

        Raises `mcpkit.schema.SchemaError`.
        """
        self.schema = schema
        self._kind = kind
        self._wrapped = wrapped
        self._checker = Checker(schema) if schema is not None and kind is None else None

    def result(self, value: Any, *, objects_only: bool) -> dict[str, Any]:
        """The members of a CallToolResult. `objects_only` leaves out structured content that is no object.

        Raises OutputError for a value that is not what the tool promised.
        """
        if isinstance(value, Result):
            return self._chosen(value, objects_only)
        if self.schema is None:
            return {"content": _content(value)}
        return self._structured(value, None, objects_only)

    def _chosen(self, value: Result, objects_only: bool) -> dict[str, Any]:
        result: dict[str, Any]
        if value.structured is not msgspec.UNSET:
            result = self._structured(value.structured, value.content or None, objects_only)
        elif self.schema is not None and not value.is_error:
            raise OutputError("a tool with an output schema has to return structured content")
        else:
            result = {"content": _content(value.content)}
        if value.is_error:
            result["isError"] = True
        if value.meta is not None:
            result["_meta"] = value.meta
        return result

    def _structured(self, value: Any, content: Any, objects_only: bool) -> dict[str, Any]:
        try:
            plain = msgspec.to_builtins(value, str_keys=True)
            if self._kind is not None:
                convert(plain, self._kind)
        except (TypeError, ValueError, msgspec.ValidationError) as error:
            raise OutputError(f"the returned value does not fit the tool's annotation: {error}") from None
        if self._wrapped:
            plain = {"result": plain}
        if self._checker is not None:
            try:
                self._checker.check(plain)
            except SchemaMismatch as error:
                raise OutputError(f"the returned value does not fit the tool's output schema: {error}") from None
        text = msgspec.json.encode(plain).decode() if content is None else content
        result: dict[str, Any] = {"content": _content(text)}
        if isinstance(plain, dict) or not objects_only:
            result["structuredContent"] = plain
        return result


def output_of(annotation: Any, structured: bool | None) -> Output:
    """What a return annotation promises: `structured` None leaves it to the annotation.

    Plain text, content blocks and what is not annotated make content alone; every other type makes structured content.
    Raises TypeError where structured content is asked for and the type has no schema.
    """
    if structured is False or (structured is None and not _is_data(annotation)):
        return Output(None)
    kind = described(annotation)
    try:
        schema = schema_of(kind)
    except TypeError:
        if structured:
            raise
        return Output(None)
    if schema.get("type") == "object":
        return Output(schema, kind=kind)
    definitions = schema.pop("$defs", None)
    wrapper: dict[str, Any] = {"type": "object", "properties": {"result": schema}, "required": ["result"]}
    if definitions:
        wrapper["$defs"] = definitions
    return Output(wrapper, kind=kind, wrapped=True)


def _content(value: Any) -> list[dict[str, Any]]:
    try:
        return blocks(value)
    except (TypeError, ValueError) as error:
        raise OutputError(
            f"the returned value cannot be shown: {error}; return text, content blocks, or what has a JSON form"
        ) from None


def _is_data(annotation: Any) -> bool:
    """Whether a type is more than text for the model to read."""
    if annotation in {None, type(None), Any, object, str, bytes, list, tuple}:
        return False
    if get_origin(annotation) in {list, tuple} and Any in get_args(annotation):
        return False
    parts = [annotation, *_parts(annotation)]
    return not any(isinstance(part, type) and issubclass(part, (Content, Message, Result)) for part in parts)


def _parts(annotation: Any) -> list[Any]:
    return (
        []
        if get_origin(annotation) is None
        else [part for argument in get_args(annotation) for part in (argument, *_parts(argument))]
    )
