"""Skills: the extension by which a server publishes instructions, folder by folder, with the digest of every file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from mcpkit.mcp.errors import invalid_params
from mcpkit.mcp.link import Link
from mcpkit.mcp.method import LAST_LEGACY, Method

EXTENSION = "io.modelcontextprotocol/skills"
SETTINGS = {"directoryRead": True}
"""What is declared under the extension's name."""
PAGE = 100
"""Entries of one page: each may list hundreds of files."""

METHODS = (
    Method("skills/list", since=LAST_LEGACY, capability=f"ext:{EXTENSION}"),
    Method("skills/get", since=LAST_LEGACY, capability=f"ext:{EXTENSION}"),
    Method("resources/directory/read", since=LAST_LEGACY, capability=f"ext:{EXTENSION}"),
)


class Skill(Protocol):
    """One skill; its files are resources of the registry as well."""

    @property
    def uri(self) -> str: ...
    def entry(self) -> dict[str, Any]: ...
    def folders(self) -> dict[str, list[dict[str, Any]]]: ...


class _Page(msgspec.Struct, frozen=True):
    cursor: str | None = None


class _Located(msgspec.Struct, frozen=True):
    uri: str
    cursor: str | None = None


class Skills:
    """The extension's methods over `skills`, by the URI of their SKILL.md; it may change while it is served."""

    def __init__(self, skills: Mapping[str, Skill]) -> None:
        self._skills = skills
        self.methods = {
            "skills/list": self._list,
            "skills/get": self._get,
            "resources/directory/read": self._directory,
        }

    async def _list(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        uris = sorted(self._skills)
        shown, more = _page(uris, _read(_Page, params).cursor, PAGE)
        return {"skills": [self._skills[uri].entry() for uri in shown], **more}

    async def _get(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        uri = _read(_Located, params).uri
        skill = self._skills.get(uri)
        if skill is None:
            raise invalid_params(f"no skill is served at {uri[:256]}; skills/list names those there are", {"uri": uri})
        return {"skill": skill.entry()}

    async def _directory(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        asked = _read(_Located, params)
        for skill in self._skills.values():
            children = skill.folders().get(asked.uri)
            if children is not None:
                shown, more = _page(children, asked.cursor, len(children) or 1)
                return {"resources": shown, **more}
        raise invalid_params(f"{asked.uri[:256]} is not a directory that is served here", {"uri": asked.uri})


def _read(struct: type[Any], params: dict[str, Any]) -> Any:
    try:
        return msgspec.convert(params, struct)
    except msgspec.ValidationError as error:
        raise invalid_params(str(error)) from None


def _page(items: Sequence[Any], cursor: str | None, size: int) -> tuple[Sequence[Any], dict[str, str]]:
    """One page, and ``nextCursor`` where another follows; a cursor is the number of the page's first item."""
    start = 0
    if cursor:
        if not (cursor.isascii() and cursor.isdigit() and int(cursor) in range(size, len(items), size)):
            raise invalid_params(f"unknown cursor {cursor[:64]!r}; start again without one")
        start = int(cursor)
    end = start + size
    return items[start:end], ({"nextCursor": str(end)} if end < len(items) else {})
