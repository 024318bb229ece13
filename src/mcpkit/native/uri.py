"""URI templates (RFC 6570) read backwards: from a URI to the variables it was made with."""

from __future__ import annotations

import re
from urllib.parse import unquote

from mcpkit.native.errors import DefinitionError

LONGEST_URI = 8192
"""Letters of a URI that is held against templates."""

_EXPRESSION = re.compile(r"\{([^{}]*)\}")
_VARIABLES = re.compile(r"([+#/.;?&]?)([A-Za-z_][A-Za-z0-9_]*(?:,[A-Za-z_][A-Za-z0-9_]*)*)")
_SEGMENT = r"[^/?#&=,;]+"
# What may stand between variables that begin with these, and what one of them matches.
_PREFIXED = {"/": _SEGMENT, ".": r"[^/?#&=,;.]+"}


class UriTemplate:
    """A template; `names` are its variables in order, `required` those that every URI has.

    Understood are ``{id}`` and ``{a,b}``, ``{+path}`` (slashes too), ``{#part}``, ``{/a,b}``, ``{.kind}``, and at the
    end ``{?a,b}`` and ``{&a,b}``, whose variables may be missing and may come in any order.
    """

    def __init__(self, text: str) -> None:
        """Raises DefinitionError for what is no template, or could be read in more than one way."""
        self.text = text
        self.names: list[str] = []
        self.required: list[str] = []
        self._query: list[str] = []
        pattern, at, greedy = "", 0, 0
        for found in _EXPRESSION.finditer(text):
            literal = text[at : found.start()]
            at = found.end()
            parsed = _VARIABLES.fullmatch(found[1])
            if parsed is None or parsed[1] == ";":
                raise self._wrong(f"{found[0]} is not understood; there are {{id}} {{+path}} {{#part}} {{/a}} {{?a,b}}")
            operator, names = parsed[1], parsed[2].split(",")
            if self._query and (literal or operator not in {"?", "&"}):
                raise self._wrong(f"{found[0]} follows a query; queries come last")
            if not literal and self.names and operator in {"", "+"}:
                raise self._wrong(f"nothing separates {found[0]} from the variable before it")
            self.names += names
            pattern += re.escape(literal)
            if operator in {"?", "&"}:
                self._query += names
                continue
            self.required += names
            if operator in {"+", "#"}:
                greedy += 1
                if len(names) > 1 or greedy > 1:
                    raise self._wrong("only one variable may take more than one segment")
            pattern += _pattern(operator, names)
        if len(set(self.names)) != len(self.names):
            raise self._wrong("a variable is there twice")
        if not self.names or re.search(r"[{}]", _EXPRESSION.sub("", text)):
            raise self._wrong("a brace does not belong to a variable")
        tail = text[at:]
        if tail and self._query:
            raise self._wrong("a query comes last")
        self._pattern = re.compile(pattern + re.escape(tail))

    def match(self, uri: str) -> dict[str, str] | None:
        """The variables, decoded; None where the URI is not of this template."""
        if len(uri) > LONGEST_URI:
            return None
        given: dict[str, str] = {}
        if self._query:
            uri, given = self._split(uri)
        found = self._pattern.fullmatch(uri)
        if found is None:
            return None
        return {name: unquote(value) for name, value in (found.groupdict() | given).items()}

    def _split(self, uri: str) -> tuple[str, dict[str, str]]:
        """The URI without its query's variables, and these."""
        path, mark, query = uri.partition("?")
        given: dict[str, str] = {}
        rest = []
        for part in query.split("&") if query else []:
            name, _, value = part.partition("=")
            if name in self._query:
                given.setdefault(name, value)
            else:
                rest.append(part)
        return (path + mark + "&".join(rest) if rest else path), given

    def _wrong(self, why: str) -> DefinitionError:
        return DefinitionError(f"URI template {self.text!r}: {why}")


def _pattern(operator: str, names: list[str]) -> str:
    if operator in {"+", "#"}:
        return ("\\#" if operator == "#" else "") + f"(?P<{names[0]}>.+)"
    if operator:
        return "".join(f"{re.escape(operator)}(?P<{name}>{_PREFIXED[operator]})" for name in names)
    return ",".join(f"(?P<{name}>{_SEGMENT})" for name in names)
