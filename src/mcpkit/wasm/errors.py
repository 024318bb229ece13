"""What can go wrong before a program runs. Each message says what, where and what to do."""


class WasmRuntimeError(Exception):
    """Any failure of this room."""


class LibraryError(WasmRuntimeError):
    """wasmtime's shared library is missing, does not exist for this machine, or is another major version."""


class ModuleError(WasmRuntimeError):
    """A program file cannot be read, is not WebAssembly, or does not compile."""


class CacheFolderError(WasmRuntimeError):
    """The cache folder cannot be trusted or used. Not fatal for opening a program: it is compiled without."""
