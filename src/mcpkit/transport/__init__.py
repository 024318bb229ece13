"""How clients reach a server: stdio, HTTP, and the other routes of the HTTP server."""

from mcpkit.transport.http import Listening, run_http
from mcpkit.transport.stdio import run_stdio

__all__ = ["Listening", "run_http", "run_stdio"]
