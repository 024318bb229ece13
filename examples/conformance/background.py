"""Tools that run as tasks where the client knows tasks."""

from __future__ import annotations

import asyncio

from mcpkit import Context, Elicit, ProtocolError, Server, ToolError

CONFIRM = {"type": "object", "properties": {"confirm": {"type": "boolean"}}, "required": ["confirm"]}
NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
INTERNAL_ERROR = -32603


def register(server: Server) -> None:
    @server.tool()
    async def greet(name: str) -> str:
        """Greets, at once."""
        return f"Hello, {name}!"

    @server.tool(task="optional")
    async def slow_compute(seconds: float, label: str = "") -> str:
        """Takes its time."""
        await asyncio.sleep(seconds)
        return f"Computed {label or 'it'} in {seconds:g} seconds"

    @server.tool(task="required")
    async def failing_job() -> None:
        """Fails after a while, as a tool may."""
        await asyncio.sleep(1)
        raise ToolError("The job failed, as it was meant to")

    @server.tool(task="optional")
    async def protocol_error_job() -> None:
        """Fails in a way that is no tool's result."""
        await asyncio.sleep(0.1)
        raise ProtocolError(INTERNAL_ERROR, "The job broke down, as it was meant to")

    @server.tool(task="optional")
    async def confirm_delete(filename: str, ctx: Context) -> str:
        """Asks before it deletes."""
        answer = await ctx.elicit(f"Delete {filename}?", CONFIRM)
        confirmed = answer.content is not None and answer.content["confirm"]
        return f"Deleted {filename}" if confirmed else f"Kept {filename}"

    @server.tool(task="optional")
    async def multi_input(ctx: Context) -> str:
        """Asks two questions at once."""
        answers = await ctx.inputs({"first": Elicit("Who goes first?", NAME), "second": Elicit("Who is next?", NAME)})
        return ", ".join(str((answer.content or {}).get("name")) for answer in answers.values())

    @server.tool(task="required", task_begins="by the tool")
    async def test_tool_with_task(ctx: Context) -> str:
        """Asks first, and then goes on in the background."""
        answer = await ctx.elicit("What is your name?", NAME, key="user_name")
        await ctx.begin_task()
        name = (answer.content or {}).get("name", "nobody")
        await asyncio.sleep(0.2)
        return f"Done in the background for {name}"
