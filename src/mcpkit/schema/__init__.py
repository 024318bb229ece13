"""JSON Schema 2020-12: compiled once, bounded, and never fetched from anywhere.

checker = compile({"type": "object", "required": ["name"]})
checker.check({"name": "Ada"})
"""

from mcpkit.schema.checker import DIALECTS, Checker, compile, path_of  # noqa: A004
from mcpkit.schema.errors import HeaderMismatchError, SchemaError, SchemaMismatch
from mcpkit.schema.headers import HeaderParameter, check_headers, header_parameters

__all__ = [
    "DIALECTS",
    "Checker",
    "HeaderMismatchError",
    "HeaderParameter",
    "SchemaError",
    "SchemaMismatch",
    "check_headers",
    "compile",
    "header_parameters",
    "path_of",
]
