"""A compiled schema."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from mcpkit.schema.bounds import MAX_EXPLAINED, check_instance, check_schema, has_branches, is_small
from mcpkit.schema.errors import SchemaError, SchemaMismatch

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

DIALECTS = frozenset(
    {
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-04/schema",
    }
)
"""What ``$schema`` may say; a schema without it is of 2020-12."""
MOST_FAULTS = 3
"""How many faults a message names."""
MAX_BACKTRACKING = 100_000
"""Steps back of one pattern with look-around or back-references."""
LONGEST_REASON = 300
"""Letters of one fault: reasons quote the value, which may be large."""


class Checker:
    """Holds values against one schema. Safe to use from several threads at once."""

    def __init__(self, schema: dict[str, Any] | bool) -> None:
        """Compile. Raises SchemaError for what is no schema, is too large, or refers to anything outside itself."""
        try:
            import jsonschema_rs
        except ImportError:
            raise SchemaError(
                "JSON Schemas need the package jsonschema-rs, which is not installed: pip install jsonschema-rs"
            ) from None
        check_schema(schema)
        self._branches = has_branches(schema)
        self._explainable = not self._branches or is_small(schema)
        self._failure = jsonschema_rs.ValidationError
        dialect = schema.get("$schema") if isinstance(schema, dict) else None
        if dialect is not None and str(dialect).rstrip("#") not in DIALECTS:
            raise SchemaError(f"$schema: the dialect {dialect!r} is not known; leave it out for 2020-12")
        try:
            self._validator = jsonschema_rs.validator_for(
                schema,
                offline=True,
                # Patterns without look-around take time in proportion to the text; the others get so much and no more.
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=MAX_BACKTRACKING),
            )
        except jsonschema_rs.ValidationError as error:
            raise SchemaError(_explain(error.message, error.instance_path)) from None
        except (jsonschema_rs.ReferencingError, ValueError) as error:
            raise SchemaError(str(error)) from None

    def check(self, instance: Any) -> None:
        """Do nothing if `instance` (as `json.loads` makes it) fits; else raise SchemaMismatch."""
        size = check_instance(instance)
        try:
            if self._validator.is_valid(instance):
                return
            faults = self._faults(instance, size)
        except ValueError as error:
            raise SchemaMismatch([("", str(error))]) from None
        raise SchemaMismatch(faults)

    def _faults(self, instance: Any, size: int) -> list[tuple[str, str]]:
        if self._branches and (not self._explainable or size > MAX_EXPLAINED):
            what = "the value is too large" if self._explainable else "the schema is too intricate"
            return [("", f"does not fit the schema; {what} to say where")]
        if size > MAX_EXPLAINED:
            try:
                self._validator.validate(instance)
            except self._failure as error:
                return [_fault(error)]
        return [_fault(error) for error in islice(self._validator.iter_errors(instance), MOST_FAULTS)]


def compile(schema: dict[str, Any] | bool) -> Checker:  # noqa: A001
    """A checker for `schema`; raises SchemaError."""
    return Checker(schema)


def path_of(steps: list[str | int]) -> str:
    """``a.b[3]``; the empty string for the whole value."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path


def _fault(error: ValidationError) -> tuple[str, str]:
    return path_of(error.instance_path), _short(error.message)


def _short(reason: str) -> str:
    half = LONGEST_REASON // 2
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:half]} … {reason[-half:]}"


def _explain(reason: str, where: list[str | int]) -> str:
    hint = "; references reach inside the schema only" if "etriev" in reason else ""
    path = path_of(where)
    return f"{path}: {_short(reason)}{hint}" if path else f"{_short(reason)}{hint}"
