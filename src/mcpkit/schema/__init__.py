"""JSON Schema 2020-12: compiled once, bounded, and never fetched from anywhere.

checker = compile({"type": "object", "required": ["name"]})
checker.check({"name": "Ada"})
"""

from mcpkit.schema.checker import DIALECTS, Checker, compile, path_of  # noqa: A004
from mcpkit.schema.errors import SchemaError, SchemaMismatch

__all__ = ["DIALECTS", "Checker", "SchemaError", "SchemaMismatch", "compile", "path_of"]
