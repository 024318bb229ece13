"""The official Python SDK with a native `add` tool, set up for speed.

Stateless JSON answers, uvloop and httptools, no access log.

python_sdk.py http PORT | stdio
"""

from __future__ import annotations

import logging
import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("bench", log_level="ERROR")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


if sys.argv[1] == "stdio":
    server.run("stdio")
else:
    import uvicorn

    logging.disable(logging.WARNING)
    uvicorn.run(
        server.streamable_http_app(json_response=True, stateless_http=True),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        log_level="error",
        access_log=False,
    )
