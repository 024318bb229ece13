"""Tools that change what the server offers while clients are connected."""

from __future__ import annotations

from mcpkit import Server

EXTRA = "test_extra"


async def extra() -> str:
    """There now and then."""
    return "Here I am"


def register(server: Server) -> None:
    @server.tool(name="test_trigger_tool_change")
    async def trigger_tool_change() -> str:
        """Adds a tool, or takes it away again."""
        if EXTRA in server.registry.tools:
            server.remove_tool(EXTRA)
        else:
            server.tool(name=EXTRA)(extra)
        return "The list of tools has changed"

    @server.tool(name="test_trigger_prompt_change")
    async def trigger_prompt_change() -> str:
        """Adds a prompt, or takes it away again."""
        if EXTRA in server.registry.prompts:
            server.remove_prompt(EXTRA)
        else:
            server.prompt(name=EXTRA)(extra)
        return "The list of prompts has changed"
