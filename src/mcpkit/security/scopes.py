"""What calls need, and what a granted scope is worth."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from mcpkit.config.security import Security
from mcpkit.security.globs import matcher


class ScopeRules:
    """The configuration's rules about scopes."""

    def __init__(self, config: Security) -> None:
        self.required = config.required_scopes
        self._tools = [(matcher(entry.tools), entry.scopes) for entry in config.tool_scopes]
        self._includes: dict[str, set[str]] = {}
        for entry in config.scope_hierarchy:
            self._includes.setdefault(entry.scope, set()).update(entry.includes)
        self.for_tool = lru_cache(4096)(self._for_tool)

    def _for_tool(self, qualified: str) -> tuple[str, ...]:
        """What a call of ``module/tool`` needs beside `required`, in the configuration's order."""
        return tuple(dict.fromkeys(scope for fits, scopes in self._tools if fits(qualified) for scope in scopes))

    def expand(self, granted: Iterable[str]) -> frozenset[str]:
        """Granted scopes and all that they include."""
        known: set[str] = set()
        todo = list(granted)
        while todo:
            scope = todo.pop()
            if scope not in known:
                known.add(scope)
                todo += self._includes.get(scope, ())
        return frozenset(known)
