"""How clients reach a server: stdio, HTTP, and the other routes of the HTTP server.

Names are loaded when first used: a stdio server has no business importing an event loop.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpkit.transport.http import Listening, run_http
    from mcpkit.transport.stdio import run_stdio

__all__ = ["Listening", "run_http", "run_stdio"]

_HOMES = {"Listening": "http", "run_http": "http", "run_stdio": "stdio"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
