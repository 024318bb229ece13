"""Sandboxed, fuel-metered WebAssembly tools over the Model Context Protocol.

Public names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from importlib import import_module

TYPE_CHECKING = False  # what type checkers take for true; importing typing would be most of the start-up time
if TYPE_CHECKING:
    from mcpkit.config import Config, ConfigError, Limits
    from mcpkit.native import (
        Annotations,
        Audio,
        Completion,
        Contents,
        Context,
        Elicit,
        Elicited,
        ElicitUrl,
        EmbeddedResource,
        Image,
        ListRoots,
        Message,
        Prompt,
        ProtocolError,
        Registry,
        ResourceLink,
        ResourceNotFoundError,
        Result,
        Root,
        Sample,
        Sampled,
        Text,
        ToolError,
    )
    from mcpkit.server import Server
    from mcpkit.transport import asgi_app
    from mcpkit.wasm import Runtime

__version__ = "0.1.0"
__all__ = [
    "Annotations",
    "Audio",
    "Completion",
    "Config",
    "ConfigError",
    "Contents",
    "Context",
    "Elicit",
    "ElicitUrl",
    "Elicited",
    "EmbeddedResource",
    "Image",
    "Limits",
    "ListRoots",
    "Message",
    "Prompt",
    "ProtocolError",
    "Registry",
    "ResourceLink",
    "ResourceNotFoundError",
    "Result",
    "Root",
    "Runtime",
    "Sample",
    "Sampled",
    "Server",
    "Text",
    "ToolError",
    "__version__",
    "asgi_app",
]

_HOMES = {
    "Config": "config",
    "ConfigError": "config",
    "Limits": "config",
    "Runtime": "wasm",
    "Server": "server",
    "asgi_app": "transport",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'mcpkit' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"mcpkit.{_HOMES.get(name, 'native')}"), name)
    return value
