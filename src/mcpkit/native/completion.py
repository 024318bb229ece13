"""Suggestions for the value of a prompt's argument or of a template's variable."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, get_args, get_origin

from mcpkit.native.errors import DefinitionError
from mcpkit.native.signature import name_of

MOST_VALUES = 100
"""How many values an answer may have."""

Completer = Callable[..., Any]
"""``(value)`` or ``(value, context)`` → strings, or an awaitable of them; `context` has the arguments chosen so far."""


class Completion(list[str]):
    """At most 100 values. `total` is how many there are in all, where known; `has_more` whether these are not all."""

    def __init__(self, values: Iterable[str] = (), total: int | None = None, has_more: bool | None = None) -> None:
        listed = [str(value) for value in values]
        super().__init__(listed[:MOST_VALUES])
        self.total = len(listed) if total is None and has_more is None else total
        self.has_more = len(listed) > MOST_VALUES if has_more is None else has_more


class Completers:
    """The completers of one prompt or template, by argument."""

    def __init__(self, owner: str, arguments: dict[str, Any]) -> None:
        """`arguments` are names and types; a type that is a choice completes by itself."""
        self._owner = owner
        self._arguments = arguments
        self._by_name: dict[str, Completer] = {}

    def add(self, argument: str, completer: Completer) -> None:
        """Raises DefinitionError for an argument there is not, or a second completer for one."""
        if argument not in self._arguments:
            there = ", ".join(self._arguments) or "none"
            raise DefinitionError(f"{self._owner} has no argument {argument!r} to complete; there are: {there}")
        if argument in self._by_name:
            raise DefinitionError(f"{self._owner}: {argument!r} has a completion function already")
        count = len(inspect.signature(completer).parameters)
        if count not in {1, 2}:
            raise DefinitionError(
                f"{name_of(completer)}: a completion function takes the value typed so far, and optionally the "
                f"arguments chosen before; this one takes {count} parameters"
            )
        self._by_name[argument] = completer

    async def complete(self, argument: str, value: str, context: dict[str, str]) -> Completion:
        """Suggestions; none for an argument without a completer. What a completer raises is raised."""
        completer = self._by_name.get(argument)
        if completer is None:
            choices = _choices(self._arguments.get(argument))
            return Completion(choice for choice in choices if choice.startswith(value))
        both = len(inspect.signature(completer).parameters) == 2
        found = completer(value, context) if both else completer(value)
        if inspect.isawaitable(found):
            found = await found
        return found if isinstance(found, Completion) else Completion(found or ())


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return [str(choice) for choice in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [str(member.value) for member in kind]
    return []
