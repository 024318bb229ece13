"""The line from a running handler to its client, as this room needs it."""

from __future__ import annotations

from typing import Any, Literal, Protocol


class Link(Protocol):
    """One request's client. `mcpkit.mcp` has the real ones."""

    @property
    def era(self) -> Literal["legacy", "modern"]: ...
    @property
    def revision(self) -> str: ...
    @property
    def transport(self) -> str: ...
    @property
    def session(self) -> str | None: ...
    @property
    def principal(self) -> Any: ...
    @property
    def capabilities(self) -> dict[str, Any]: ...
    @property
    def request_id(self) -> bytes: ...
    @property
    def progress_token(self) -> str | int | None: ...
    @property
    def trace(self) -> dict[str, str]: ...
    @property
    def log_level(self) -> str | None: ...
    @property
    def state(self) -> dict[str, Any]: ...

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification on this request's stream."""

    async def ask(self, method: str, params: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """Ask the client and return its result; in the modern era the handler may be left here and run again."""

    async def ask_all(self, requests: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
        """Ask several things at once."""
