"""What reaches the client while a tool runs: progress, log messages, and the answer after a connection has gone."""

from __future__ import annotations

import asyncio

from mcpkit import Context, Server

STEP_S = 0.05


def register(server: Server) -> None:
    @server.tool(name="test_tool_with_progress")
    async def tool_with_progress(ctx: Context) -> str:
        """Reports progress in three steps."""
        for done in (0, 50, 100):
            ctx.progress(done, 100)
            await asyncio.sleep(STEP_S)
        return "Tool with progress executed successfully"

    @server.tool(name="test_tool_with_logging")
    async def tool_with_logging(ctx: Context) -> str:
        """Writes three log messages."""
        for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            ctx.info(message)
            await asyncio.sleep(STEP_S)
        return "Tool with logging executed successfully"

    @server.tool(name="test_logging_tool")
    async def logging_tool(ctx: Context) -> str:
        """Writes a log message, for clients that asked for them."""
        ctx.info("A message for those who want it")
        return "Logged"

    @server.tool(name="test_reconnection")
    async def reconnection(ctx: Context) -> str:
        """Lets go of the connection in mid-call; the client comes back for the answer."""
        ctx.let_go()
        await asyncio.sleep(2 * STEP_S)
        return "Reconnection test completed successfully"
