"""What handlers answer with: the protocol's content blocks, and results of which every member is chosen."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

Role = Literal["user", "assistant"]
Block = dict[str, Any]
"""A content block, as JSON."""


class Annotations(msgspec.Struct, frozen=True, kw_only=True):
    """Hints to the client: for whom a block is, how important it is (0 to 1), when it last changed (ISO 8601)."""

    audience: list[Role] | None = None
    priority: float | None = None
    last_modified: str | None = None

    def members(self) -> dict[str, Any]:
        return present(audience=self.audience, priority=self.priority, lastModified=self.last_modified)


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A block of one of the kinds below."""

    annotations: Annotations | None = None
    meta: dict[str, Any] | None = None

    def members(self) -> Block:
        """What this kind has beyond every block's members."""
        raise NotImplementedError(f"{type(self).__name__} is not a kind of content")

    def block(self) -> Block:
        """The block as JSON."""
        annotations = self.annotations.members() if self.annotations else None
        return {**self.members(), **present(annotations=annotations, _meta=self.meta)}


class Text(Content, frozen=True):
    """Plain text."""

    text: str

    def members(self) -> Block:
        return {"type": "text", "text": self.text}


class _Media(Content, frozen=True):
    data: bytes
    mime_type: str

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """A file's bytes; the type is that of its suffix. Raises OSError, and ValueError for an unknown suffix."""
        kind = mimetypes.guess_type(Path(path).name)[0]
        if kind is None:
            raise ValueError(f"{path}: no media type is known for this suffix; give data and mime_type instead")
        return cls(Path(path).read_bytes(), kind)


class Image(_Media, frozen=True):
    """A picture: its bytes and their media type."""

    mime_type: str = "image/png"

    def members(self) -> Block:
        return {"type": "image", "data": _base64(self.data), "mimeType": self.mime_type}


class Audio(_Media, frozen=True):
    """A recording: its bytes and their media type."""

    mime_type: str = "audio/wav"

    def members(self) -> Block:
        return {"type": "audio", "data": _base64(self.data), "mimeType": self.mime_type}


class EmbeddedResource(Content, frozen=True):
    """A resource's contents inside an answer: text, or bytes."""

    uri: str
    contents: str | bytes
    mime_type: str | None = None

    def members(self) -> Block:
        return {"type": "resource", "resource": Contents(self.contents, uri=self.uri, mime_type=self.mime_type).item()}


class ResourceLink(Content, frozen=True):
    """Where a resource can be read; it need not be one that the server lists. `size` is in bytes."""

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None
    size: int | None = None

    def members(self) -> Block:
        more = present(title=self.title, description=self.description, mimeType=self.mime_type, size=self.size)
        return {"type": "resource_link", "uri": self.uri, "name": self.name, **more}


class Contents(msgspec.Struct, frozen=True):
    """One part of a resource as it is read: text or bytes. Without a `uri` it is the one that was asked for."""

    data: str | bytes
    uri: str | None = None
    mime_type: str | None = None
    meta: dict[str, Any] | None = None

    def item(self, uri: str = "", mime_type: str | None = None) -> dict[str, Any]:
        """As JSON; the arguments stand in for what is not set here."""
        kind = self.mime_type or mime_type
        if isinstance(self.data, bytes):
            body = {"mimeType": kind or "application/octet-stream", "blob": _base64(self.data)}
        else:
            body = {"mimeType": kind or "text/plain", "text": self.data}
        return {"uri": self.uri or uri, **body, **present(_meta=self.meta)}


class Result(msgspec.Struct, frozen=True):
    """A tool's whole result, where the return value alone does not say it."""

    content: Any = ()
    """A string, a block, or several of them."""
    structured: Any = msgspec.UNSET
    """Any JSON value, or what msgspec encodes as one; it has to fit the tool's output schema."""
    is_error: bool = False
    meta: dict[str, Any] | None = None


class Message(msgspec.Struct, frozen=True):
    """A message of a prompt, or of a sampling request."""

    content: Any
    """A string or a block; a list of blocks in sampling requests alone."""
    role: Role = "user"

    def item(self) -> dict[str, Any]:
        """As JSON."""
        several = isinstance(self.content, (list, tuple))
        return {"role": self.role, "content": blocks(self.content) if several else block(self.content)}


class Prompt(msgspec.Struct, frozen=True):
    """A prompt's whole answer, where the messages alone do not say it."""

    messages: Sequence[Message | Content | str]
    description: str | None = None


def block(value: Any) -> Block:
    """A content block of a block, a string, or any value that has a JSON text."""
    if isinstance(value, Content):
        return value.block()
    if isinstance(value, str):
        return {"type": "text", "text": value}
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return value
    return {"type": "text", "text": msgspec.json.encode(value).decode()}


def blocks(value: Any) -> list[Block]:
    """The content of a whole answer: nothing for None, one block for one value, several where some are blocks."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)) and (not value or any(isinstance(part, (Content, str)) for part in value)):
        return [block(part) for part in value]
    return [block(value)]


def message(value: Message | Content | str | dict[str, Any]) -> dict[str, Any]:
    """A prompt's message as JSON; without a role it is the user's."""
    if isinstance(value, Message):
        return value.item()
    if isinstance(value, dict) and "role" in value:
        return value
    return Message(value).item()


def present(**members: Any) -> dict[str, Any]:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
