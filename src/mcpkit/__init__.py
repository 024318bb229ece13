"""Sandboxed, fuel-metered WebAssembly tools over the Model Context Protocol.

Public names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from importlib import import_module

TYPE_CHECKING = False  # what type checkers take for true; importing typing would be most of the start-up time
if TYPE_CHECKING:
    from mcpkit.config import Config, ConfigError, Limits
    from mcpkit.wasm import Runtime

__version__ = "0.1.0"
__all__ = ["Config", "ConfigError", "Limits", "Runtime", "__version__"]

_HOMES = {"Config": "config", "ConfigError": "config", "Limits": "config", "Runtime": "wasm"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'mcpkit' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"mcpkit.{_HOMES[name]}"), name)
    return value
