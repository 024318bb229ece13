"""The Model Context Protocol, both eras, without I/O: `Dispatcher` answers what the C core does not.

One module per method family; each has a table of its methods and the revisions they live in.
"""

from mcpkit.mcp.dispatcher import Dispatcher, Reply, Request
from mcpkit.mcp.errors import McpError
from mcpkit.mcp.features import Features, Registry
from mcpkit.mcp.hub import Hub, Wishes
from mcpkit.mcp.link import Link
from mcpkit.mcp.revisions import Era, Revision, negotiate
from mcpkit.mcp.runner import Runner
from mcpkit.mcp.server import ServerInfo
from mcpkit.mcp.task_service import Tasks
from mcpkit.mcp.task_store import open_store
from mcpkit.mcp.tools import ToolSpec

__all__ = [
    "Dispatcher",
    "Era",
    "Features",
    "Hub",
    "Link",
    "McpError",
    "Registry",
    "Reply",
    "Request",
    "Revision",
    "Runner",
    "ServerInfo",
    "Tasks",
    "ToolSpec",
    "Wishes",
    "negotiate",
    "open_store",
]
