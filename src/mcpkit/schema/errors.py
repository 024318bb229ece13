"""What can be wrong with a schema, or with a value held against it."""

from __future__ import annotations


class SchemaError(ValueError):
    """A schema that cannot be used; the message says what in it and why."""


class SchemaMismatch(ValueError):  # noqa: N818
    """A value that does not fit. `faults` are the first few, each as (path of the value, reason)."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {reason}" if path else reason for path, reason in faults))
        self.faults = faults


class HeaderMismatchError(ValueError):
    """A request's headers say something else than its arguments."""
