"""mcpkit tools: what the tools of some files are."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any

from mcpkit.cli import catalogue, exits, options
from mcpkit.cli.exits import CliError
from mcpkit.cli.outcome import harmless
from mcpkit.cli.terminal import paint
from mcpkit.guests import ToolSpec


def run(args: argparse.Namespace) -> int:
    config = options.config(args)
    whole = options.with_files(config, args.files)
    if not whole.modules():
        raise CliError("no modules; name a file: mcpkit tools FILE…")
    with catalogue.opened(args, config, whole.modules(), whole.described()) as tools:
        print(as_json(tools) if args.json else as_text(tools))
    return exits.OK


def as_json(tools: Iterable[ToolSpec]) -> str:
    """Everything about each tool, as a JSON array."""
    return json.dumps([_members(tool) for tool in tools], indent=2, ensure_ascii=False)


def as_text(tools: Iterable[ToolSpec]) -> str:
    """One paragraph per tool: name, title or first line of the description, parameters."""
    return "\n".join(_paragraph(tool) for tool in tools)


def _members(tool: ToolSpec) -> dict[str, Any]:
    members: dict[str, Any] = {
        "name": tool.name,
        "module": tool.module,
        "style": tool.style,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": tool.input_schema,
        "outputSchema": tool.output_schema,
        "annotations": tool.annotations,
    }
    return {key: value for key, value in members.items() if value is not None}


def _paragraph(tool: ToolSpec) -> str:
    lines = [paint(tool.name, "1", sys.stdout)]
    summary = (tool.description or tool.title or "").strip().splitlines()
    if summary:
        lines.append(f"  {harmless(summary[0])}")
    properties = tool.input_schema.get("properties")
    required = tool.input_schema.get("required") or ()
    if isinstance(properties, dict):
        for name, schema in properties.items():
            optional = "" if name in required else ", optional"
            lines.append(f"    {harmless(name)}: {harmless(_kind(schema))}{optional}")
    return "\n".join(lines)


def _kind(schema: Any) -> str:
    """A property's type in a few words."""
    if not isinstance(schema, dict):
        return "any"
    if "enum" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return " | ".join(dict.fromkeys(_kind(option) for option in schema[key]))
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " | ".join(map(str, kind))
    if kind == "array" and isinstance(schema.get("items"), dict):
        items = _kind(schema["items"])
        return f"array of ({items})" if " | " in items else f"array of {items}"
    return str(kind)
