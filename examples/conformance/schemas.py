"""Tools whose input schemas say more than types."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from mcpkit import Server

CONTACT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

Region = Annotated[str, Meta(description="Where to look", extra_json_schema={"x-mcp-header": "Region"})]


def register(server: Server) -> None:
    @server.tool(
        name="json_schema_2020_12_tool",
        description="Tool with JSON Schema 2020-12 features",
        input_schema=CONTACT,
    )
    async def contact(**arguments: Any) -> str:
        return f"{len(arguments)} members"

    @server.tool(name="test_x_mcp_header")
    async def x_mcp_header(region: Region) -> str:
        """Has an argument that intermediaries can route by."""
        return f"Region: {region}"
