"""An engine with its cache: from a file to a program that can run."""

import logging
import os
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from mcpkit.core.digest import sha256
from mcpkit.core.wasm import Engine, Program, WasmError
from mcpkit.wasm.cache import CodeCache, cache_key
from mcpkit.wasm.errors import CacheFolderError, ModuleError
from mcpkit.wasm.library import find_library
from mcpkit.wasm.sections import memory_minimum

log = logging.getLogger(__name__)

MAX_MODULE_BYTES = 256 * 1024**2
_MAGIC = b"\0asm"
_LAYER_COMPONENT = b"\x01\x00"
_ELF = b"\x7fELF"


class Counters(NamedTuple):
    """What `Runtime.open` did so far."""

    hits: int
    """Programs taken from the cache."""
    compiled: int
    """Programs compiled."""
    stored: int
    """Compiled programs written to the cache."""


class Runtime:
    """One engine and the cache of what it compiled. A context manager; programs must not be used after `close`."""

    def __init__(
        self,
        *,
        cache_dir: Path | None = None,
        cache: bool = True,
        cache_max_bytes: int | None = None,
        max_instances: int = 0,
        max_queued: int = 0,
        max_memory: int = 0,
        threads: int = 0,
        slice_units: int = 0,
        slice_ticks: int = 0,
        parallel_compilation: bool = True,
        pulley: bool = False,
    ) -> None:
        """Start an engine. 0 leaves a number at the engine's own default (mcpkit/wasm.h gives them and their units).
        `pulley` interprets instead of running machine code.

        Raises LibraryError where wasmtime is missing or of another version, WasmError where the engine refuses.
        """
        self.library = find_library()
        self.engine = Engine(
            str(self.library.path),
            max_instances=max_instances,
            max_queued=max_queued,
            max_memory=max_memory,
            threads=threads,
            slice_units=slice_units,
            slice_ticks=slice_ticks,
            parallel_compilation=parallel_compilation,
            pulley=pulley,
        )
        self.cache: CodeCache | None = None
        if cache:
            self.cache = (
                CodeCache(cache_dir) if cache_max_bytes is None else CodeCache(cache_dir, max_bytes=cache_max_bytes)
            )
        self._fingerprint = self.engine.fingerprint()
        self._hits = self._compiled = self._stored = 0

    def open(self, path: Path) -> Program:
        """Compile the module, component or `.wat` text in `path`, or take its code from the cache.

        Raises ModuleError where it cannot be read or does not compile; a cache that cannot be used is a warning.
        """
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size > MAX_MODULE_BYTES:
                    raise ModuleError(f"{path}: larger than {MAX_MODULE_BYTES >> 20} MiB, the most for one program")
                binary = file.read()
        except OSError as error:
            raise ModuleError(f"{path}: cannot read: {error.strerror or error}") from error
        return self.open_bytes(binary, name=str(path))

    def open_bytes(self, binary: bytes, *, name: str = "<bytes>") -> Program:
        """The same for a module in memory (binary or text); `name` stands in messages."""
        if not binary.startswith(_MAGIC):
            binary = self._from_text(binary, name)
        program = self._program(binary, name)
        if program.is_component:
            program.note_memory(memory_minimum(binary))
        return program

    def _program(self, binary: bytes, name: str) -> Program:
        if self.cache is None:
            return self._compile(binary, name)
        key = cache_key(sha256(binary), self._fingerprint)
        try:
            program = self._load(key, component=binary[6:8] == _LAYER_COMPONENT)
        except CacheFolderError as error:
            log.warning("%s is compiled without the cache: %s", name, error)
            return self._compile(binary, name)
        if program is not None:
            self._hits += 1
            return program
        program = self._compile(binary, name)
        self._store(key, program)
        return program

    def counters(self) -> Counters:
        """How often the cache helped."""
        return Counters(self._hits, self._compiled, self._stored)

    def close(self) -> None:
        """End the engine and what still runs in it. Calling it again does nothing."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self, key: str, *, component: bool) -> Program | None:
        assert self.cache is not None
        path = self.cache.find(key)
        if path is None:
            return None
        try:
            return self.engine.load(str(path), component)
        except WasmError as error:
            # Ours and undamaged, and still refused: the fingerprint missed a difference. Compiling is always right.
            log.warning("compiled code %s does not load (%s); compiling again", path, error)
            return None

    def _store(self, key: str, program: Program) -> None:
        assert self.cache is not None
        try:
            if self.cache.store(key, program.serialize()) is not None:
                self._stored += 1
        except (CacheFolderError, WasmError) as error:
            log.warning("compiled code is not kept: %s", error)

    def _compile(self, binary: bytes, name: str) -> Program:
        log.info("compiling %s (%d bytes)", name, len(binary))
        try:
            program = self.engine.compile(binary)
        except WasmError as error:
            raise ModuleError(f"{name}: does not compile: {error}") from error
        self._compiled += 1
        return program

    def _from_text(self, data: bytes, name: str) -> bytes:
        if data.startswith(_ELF):
            raise ModuleError(f"{name}: compiled native code is never loaded from outside; give the .wasm file")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text or "(" not in text:
            raise ModuleError(
                f"{name}: is neither a WebAssembly binary (it begins with {data[:4]!r}, not {_MAGIC!r}) nor .wat text"
            )
        try:
            return self.engine.from_text(text)
        except WasmError as error:
            raise ModuleError(f"{name}: not valid WebAssembly text: {error}") from error
