"""Sandboxed, fuel-metered WebAssembly tools over the Model Context Protocol.

Public names are loaded when they are first used, so that importing the package costs next to nothing.
"""

__version__ = "0.1.0"
