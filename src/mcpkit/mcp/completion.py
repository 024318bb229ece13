"""completion/complete: argument completion for prompts and resource templates."""

from __future__ import annotations

from mcpkit.mcp.method import Method

METHODS = (Method("completion/complete", capability="completions"),)
