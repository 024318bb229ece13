"""What a handler may ask of the client's side: a person, a model, the workspace's roots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from mcpkit.native.content import Content, Message, message, present
from mcpkit.native.types import convert, schema_of
from mcpkit.schema import Checker, SchemaMismatch

T = TypeVar("T")
A = TypeVar("A", covariant=True)


class InvalidAnswerError(ValueError):
    """The client answered with something else than it was asked for."""


class InputRequest(Protocol[A]):
    """One question to the client."""

    @property
    def method(self) -> str: ...
    def params(self) -> dict[str, Any]: ...
    def parse(self, answer: dict[str, Any]) -> A:
        """The client's answer as Python; raises InvalidAnswerError."""


class Elicited(msgspec.Struct, Generic[T], frozen=True):
    """A person's answer. `content` is there when the action is ``accept``."""

    action: Literal["accept", "decline", "cancel"]
    content: T | None = None

    @property
    def accepted(self) -> bool:
        return self.action == "accept"


class Elicit(Generic[T]):
    """Ask a person to fill a form.

    `schema` is a flat class (a Struct, dataclass or TypedDict with plain members), and the answer's `content` is one
    then; or a JSON Schema, which is sent as it is, and `content` is a dict.
    """

    method = "elicitation/create"

    def __init__(self, message: str, schema: type[T] | dict[str, Any]) -> None:
        self._message = message
        self._type: Any = dict if isinstance(schema, dict) else schema
        self._schema = schema if isinstance(schema, dict) else schema_of(schema)

    def params(self) -> dict[str, Any]:
        return {"message": self._message, "requestedSchema": self._schema}

    def parse(self, answer: dict[str, Any]) -> Elicited[T]:
        read = _read(answer, Elicited[dict[str, Any]])
        if not read.accepted:
            return Elicited(read.action)
        content = read.content or {}
        try:
            Checker(self._schema).check(content)
        except SchemaMismatch as error:
            raise InvalidAnswerError(f"the answer to {self._message!r} does not fit: {error}") from None
        return Elicited("accept", _read(content, self._type))


class ElicitUrl:
    """Ask a person to open an address, for what must not pass through the client: secrets, payments, consent."""

    method = "elicitation/create"

    def __init__(self, message: str, url: str, elicitation_id: str | None = None) -> None:
        self._params = present(mode="url", message=message, url=url, elicitationId=elicitation_id)

    def params(self) -> dict[str, Any]:
        return self._params

    def parse(self, answer: dict[str, Any]) -> Elicited[None]:
        return Elicited(_read(answer, Elicited[Any]).action)


class Sampled(msgspec.Struct, frozen=True, rename="camel"):
    """What the client's model said. `content` is one block, or several where tools were offered."""

    role: Literal["user", "assistant"]
    content: dict[str, Any] | list[dict[str, Any]]
    model: str
    stop_reason: str | None = None

    @property
    def text(self) -> str:
        """All of its text."""
        parts = self.content if isinstance(self.content, list) else [self.content]
        return "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")


class Sample:
    """Ask the client's model to continue `messages`, with at most `max_tokens` tokens."""

    method = "sampling/createMessage"

    def __init__(
        self,
        messages: str | Content | Message | Sequence[str | Content | Message | dict[str, Any]],
        max_tokens: int,
        *,
        system_prompt: str | None = None,
        temperature: float | None = None,
        stop_sequences: list[str] | None = None,
        model_preferences: dict[str, Any] | None = None,
        include_context: Literal["none", "thisServer", "allServers"] | None = None,
        metadata: dict[str, Any] | None = None,
        tools: list[dict[str, Any]] | None = None,
        tool_choice: dict[str, Any] | None = None,
    ) -> None:
        listed = [messages] if isinstance(messages, (str, Content, Message)) else messages
        self._params: dict[str, Any] = {
            "messages": [message(one) for one in listed],
            "maxTokens": max_tokens,
            **present(
                systemPrompt=system_prompt,
                temperature=temperature,
                stopSequences=stop_sequences,
                modelPreferences=model_preferences,
                includeContext=include_context,
                metadata=metadata,
                tools=tools,
                toolChoice=tool_choice,
            ),
        }

    def params(self) -> dict[str, Any]:
        return self._params

    def parse(self, answer: dict[str, Any]) -> Sampled:
        return _read(answer, Sampled)


class Root(msgspec.Struct, frozen=True):
    """A folder or file that the client works on, as a ``file:`` URI."""

    uri: str
    name: str | None = None


class _Roots(msgspec.Struct, frozen=True):
    roots: list[Root]


class ListRoots:
    """Ask which folders the client works on."""

    method = "roots/list"

    def params(self) -> dict[str, Any]:
        return {}

    def parse(self, answer: dict[str, Any]) -> list[Root]:
        return _read(answer, _Roots).roots


def _read(value: Any, kind: type[T]) -> T:
    try:
        read: T = convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidAnswerError(f"the client's answer does not fit: {error}") from None
    return read
