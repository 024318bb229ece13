"""How clients reach a server: stdio, HTTP and WebSocket behind one interface, and inside other ASGI applications.

Names are loaded when first used: a stdio server has no business importing an event loop.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpkit.transport.embedded import AsgiApp, asgi_app
    from mcpkit.transport.http import run_http
    from mcpkit.transport.interface import Http, Listening, Stdio, Transport, WebSocket, transport_for
    from mcpkit.transport.reload import Reloader, Settings
    from mcpkit.transport.stdio import run_stdio
    from mcpkit.transport.tls import TlsError

__all__ = [
    "AsgiApp",
    "Http",
    "Listening",
    "Reloader",
    "Settings",
    "Stdio",
    "TlsError",
    "Transport",
    "WebSocket",
    "asgi_app",
    "run_http",
    "run_stdio",
    "transport_for",
]

_HOMES = {
    "AsgiApp": "embedded",
    "Http": "interface",
    "Listening": "interface",
    "Reloader": "reload",
    "Settings": "reload",
    "Stdio": "interface",
    "TlsError": "tls",
    "Transport": "interface",
    "WebSocket": "interface",
    "asgi_app": "embedded",
    "run_http": "http",
    "run_stdio": "stdio",
    "transport_for": "interface",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
