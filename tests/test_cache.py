"""The cache of compiled code: what is kept is found again, and nothing but what was kept is ever loaded."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import guests
from mcpkit.core.digest import sha256
from mcpkit.core.wasm import Program, Tool
from mcpkit.wasm import CacheFolderError, CodeCache, LibraryError, ModuleError, Runtime, default_cache_dir, find_library
from mcpkit.wasm.cache import cache_key

KEY = "0" * 64
CODE = bytes(range(256)) * 64
CALCULATOR = "example:calculator/calculator@1.0.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "compiled"


@pytest.fixture
def cache(folder: Path) -> CodeCache:
    return CodeCache(folder)


@pytest.fixture(scope="module")
def calculator() -> Path:
    return guests.build("calculator")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(cache_dir=tmp_path_factory.mktemp("cache") / "compiled") as runtime:
        yield runtime


def add(program: Program, a: int, b: int) -> int:
    result = Tool(program, style="function", interface=CALCULATOR, function="add").call(
        json.dumps({"a": a, "b": b}).encode()
    )
    assert result.status == "ok"
    return int(json.loads(result.output))


def only_entry(folder: Path) -> Path:
    (entry,) = folder.glob("*.cwasm")
    return entry


# --- using it: A04, A05


def test_the_second_start_takes_a_component_from_the_cache(folder: Path, calculator: Path) -> None:
    for start in range(3):
        with Runtime(cache_dir=folder) as runtime:
            assert add(runtime.open(calculator), 2, 40) == 42
            assert runtime.counters() == ((0, 1, 1) if start == 0 else (1, 0, 0))


def test_the_second_start_takes_a_python_component_from_the_cache() -> None:
    """Its compilation takes long, so it is kept with the guests from one test run to the next."""
    module = guests.build("py-tool")
    with Runtime(cache_dir=guests.BUILD / "compiled") as runtime:
        runtime.open(module)
    with Runtime(cache_dir=guests.BUILD / "compiled") as runtime:
        program = runtime.open(module)
        assert runtime.counters() == (1, 0, 0)
        assert program.is_component


def test_core_modules_and_text_are_cached_too(folder: Path) -> None:
    text = guests.SOURCES / "spin.wat"
    with Runtime(cache_dir=folder) as runtime:
        assert not runtime.open(text).is_component
        assert not runtime.open(guests.build("spin")).is_component
        assert runtime.counters() == (1, 1, 1)  # the same module, as text and as binary


def test_without_a_cache_everything_is_compiled(
    calculator: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MCPKIT_CACHE_DIR", str(tmp_path / "unused"))
    with Runtime(cache=False) as runtime:
        runtime.open(calculator)
        assert add(runtime.open(calculator), -5, 5) == 0
        assert runtime.counters() == (0, 2, 0)
    assert not (tmp_path / "unused").exists()


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("MCPKIT_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache_dir() == Path("/home/someone/.cache/mcpkit/compiled")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert default_cache_dir() == Path("/home/someone/.cache/mcpkit/compiled")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    assert default_cache_dir() == Path("/var/cache/me/mcpkit/compiled")
    monkeypatch.setenv("MCPKIT_CACHE_DIR", "/srv/code")
    assert default_cache_dir() == Path("/srv/code")


def test_what_was_stored_is_found(cache: CodeCache) -> None:
    assert cache.find(KEY) is None
    path = cache.store(KEY, CODE)
    assert path is not None
    assert cache.find(KEY) == path
    assert path.read_bytes().startswith(CODE)
    assert cache.stats()[1:3] == (1, path.stat().st_size)
    assert cache.clear() == 1
    assert cache.find(KEY) is None
    assert cache.stats().entries == 0


def test_the_key_depends_on_module_and_engine(runtime: Runtime) -> None:
    """A stale file has another name: another module, wasmtime version, flag or processor asks for another key."""
    keys = {
        cache_key(sha256(module), engine)
        for module in (b"one", b"two")
        for engine in (b"x", runtime.engine.fingerprint())
    }
    assert len(keys) == 4
    assert all(len(key) == 64 for key in keys)


# --- damage


def test_a_flipped_bit_anywhere_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = CodeCache(tmp_path_factory.mktemp("flipped") / "compiled")
    path = cache.store(KEY, CODE)
    assert path is not None
    whole = path.read_bytes()

    @settings(max_examples=300, deadline=None)
    @given(st.integers(0, len(whole) - 1), st.integers(0, 7))
    def flip(offset: int, bit: int) -> None:
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << bit
        path.write_bytes(damaged)
        assert cache.find(KEY) is None
        assert not path.exists()

    flip()
    path.write_bytes(whole)
    path.chmod(0o600)
    assert cache.find(KEY) == path


@settings(max_examples=12, deadline=None)
@given(st.floats(0, 1, exclude_max=True))
def test_damaged_code_is_compiled_again_and_runs_right(runtime: Runtime, calculator: Path, where: float) -> None:
    runtime.open(calculator)
    entry = only_entry(runtime.cache.folder if runtime.cache else Path())
    data = bytearray(entry.read_bytes())
    data[int(where * len(data))] ^= 0xFF
    times = entry.stat()
    # Not in place: the file may be mapped by a program that runs.
    entry.unlink()
    entry.write_bytes(data)
    os.utime(entry, ns=(times.st_atime_ns, times.st_mtime_ns))
    before = runtime.counters()
    assert add(runtime.open(calculator), 20, 22) == 42
    after = runtime.counters()
    assert (after.hits, after.compiled, after.stored) == (before.hits, before.compiled + 1, before.stored + 1)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:40], id="shorter than the trailer"),
        pytest.param(lambda data: data[:-1], id="one byte short"),
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda data: data + b"\0", id="one byte more"),
        pytest.param(lambda data: data + data, id="twice"),
        pytest.param(lambda data: data[:-48], id="no trailer"),
        pytest.param(lambda data: b"\0" * len(data), id="zeros"),
    ],
)
def test_other_damage(cache: CodeCache, damage: Callable[[bytes], bytes]) -> None:
    path = cache.store(KEY, CODE)
    assert path is not None
    path.write_bytes(damage(path.read_bytes()))
    assert cache.find(KEY) is None
    assert cache.store(KEY, CODE) == path
    assert cache.find(KEY) == path


def test_another_modules_file_under_this_name(cache: CodeCache) -> None:
    path = cache.store(KEY, CODE)
    assert path is not None
    other = path.with_name("1" * 64 + ".cwasm")
    path.rename(other)
    assert cache.find("1" * 64) is None


def test_a_link_or_folder_in_the_files_place(cache: CodeCache, tmp_path: Path) -> None:
    path = cache.store(KEY, CODE)
    assert path is not None
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.find(KEY) is None
    path.unlink()
    path.mkdir()
    assert cache.find(KEY) is None
    assert cache.store(KEY, CODE) is None  # a warning; the program runs all the same
    path.rmdir()
    os.mkfifo(path)
    assert cache.find(KEY) is None


# --- whose folder


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o720])
def test_a_folder_that_others_can_write_is_not_used(
    folder: Path, calculator: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Runtime(cache_dir=folder) as runtime:
        runtime.open(calculator)
    folder.chmod(mode)
    with Runtime(cache_dir=folder) as runtime, caplog.at_level(logging.WARNING):
        assert add(runtime.open(calculator), 1, 2) == 3
        assert runtime.counters() == (0, 1, 0)
    assert f"chmod 700 {folder}" in caplog.text
    folder.chmod(0o700)
    with Runtime(cache_dir=folder) as runtime:
        runtime.open(calculator)
        assert runtime.counters() == (1, 0, 0)


def test_a_folder_of_another_user_is_not_used(folder: Path) -> None:
    if os.getuid() == 0:
        folder.mkdir(mode=0o700)
        os.chown(folder, 1, -1)
    else:
        folder = Path("/usr")  # root's
    with pytest.raises(CacheFolderError, match="belongs to user"):
        CodeCache(folder).find(KEY)
    with pytest.raises(CacheFolderError, match="MCPKIT_CACHE_DIR"):
        CodeCache(folder).store(KEY, CODE)


def test_a_file_that_others_can_write_is_not_used(cache: CodeCache) -> None:
    path = cache.store(KEY, CODE)
    assert path is not None
    path.chmod(0o666)
    assert cache.find(KEY) is None


def test_a_folder_that_is_a_link_or_a_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    with pytest.raises(CacheFolderError, match="not a folder"):
        CodeCache(folder).store(KEY, CODE)
    folder.unlink()
    folder.write_text("a file")
    with pytest.raises(CacheFolderError):
        CodeCache(folder).store(KEY, CODE)


def test_the_folder_is_private_from_the_start(cache: CodeCache, folder: Path) -> None:
    old = os.umask(0)
    try:
        path = cache.store(KEY, CODE)
    finally:
        os.umask(old)
    assert path is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


# --- several processes


WRITER = """
import sys
from pathlib import Path
from mcpkit.wasm import CodeCache
cache, key = CodeCache(Path(sys.argv[1])), "0" * 64
code = bytes(range(256)) * (16 * 4096)
print("ready", flush=True)
while True:
    cache.store(key, code)
"""


def test_a_writer_that_is_killed_leaves_a_valid_cache(cache: CodeCache, folder: Path) -> None:
    """kill -9 while the 16 MiB temporary file is being written, several times over."""
    code = bytes(range(256)) * (16 * 4096)
    caught = 0
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not any(folder.glob(f"*-{writer.pid}-*.part")):
                time.sleep(0.0005)
            writer.send_signal(signal.SIGKILL)
        caught += any(folder.glob(f"*-{writer.pid}-*.part"))
        found = cache.find(KEY)
        assert found is None or found.read_bytes()[: len(code)] == code
    assert caught, "never killed in the middle of a write"

    leftovers = list(folder.glob("*.part"))
    for path in leftovers:
        os.utime(path, (0, 0))
    assert cache.store(KEY, code) is not None
    assert cache.find(KEY) is not None
    assert not list(folder.glob("*.part"))


OPENER = """
import sys
from pathlib import Path
from mcpkit.wasm import Runtime
for _ in range(5):
    with Runtime(cache_dir=Path(sys.argv[1])) as runtime:
        runtime.open(Path(sys.argv[2]))
        hits, compiled, stored = runtime.counters()
        assert hits + compiled == 1, runtime.counters()
    for path in Path(sys.argv[1]).glob("*.cwasm"):
        path.unlink(missing_ok=True)
"""


def test_processes_that_open_store_and_remove_the_same_program_at_once(folder: Path, calculator: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(folder), str(calculator)], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert "damaged" not in errors
        assert "truncated" not in errors
    assert not list(folder.glob("*.part"))


# --- size


def test_the_least_recently_used_goes_first(folder: Path) -> None:
    cache = CodeCache(folder, max_bytes=3 * (len(CODE) + 48))
    paths = [cache.store(str(number) * 64, CODE) for number in range(3)]
    for age, path in zip((30, 20, 10), paths, strict=True):
        assert path is not None
        os.utime(path, (time.time() - age, time.time() - age))
    assert cache.find("0" * 64) == paths[0]  # used now
    cache.store("3" * 64, CODE)
    assert [cache.find(str(number) * 64) is not None for number in range(4)] == [True, False, True, True]
    assert cache.stats().bytes <= cache.max_bytes


def test_what_is_larger_than_the_cache_is_not_kept(folder: Path) -> None:
    cache = CodeCache(folder, max_bytes=len(CODE))
    assert cache.store(KEY, CODE) is None
    assert cache.stats().entries == 0


def test_clearing_removes_nothing_of_others(cache: CodeCache, folder: Path) -> None:
    cache.store(KEY, CODE)
    (folder / "notes.txt").write_text("mine")
    (folder / "half.part").write_text("left behind")
    assert cache.clear() == 1
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert CodeCache(folder / "never made").clear() == 0


# --- what cannot be opened


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read: No such file"),
        (b"", "neither a WebAssembly binary"),
        (b"\x7fELF\x02\x01\x01", "compiled native code is never loaded"),
        (b"\x00\x01\x02\x03", "neither a WebAssembly binary"),
        (b"\xff\xfe(module)", "neither a WebAssembly binary"),
        (b"just some words", "neither a WebAssembly binary"),
        (b"(module (func", "not valid WebAssembly text"),
        (b"\0asm", "does not compile"),
        (b"\0asm\x01\0\0\0\xff\x01\0", "does not compile"),
        (b"\0asm\x63\0\0\0", "does not compile"),
    ],
)
def test_files_that_are_no_programs(runtime: Runtime, tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "program.wasm"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModuleError, match=message) as caught:
        runtime.open(path)
    assert str(path) in str(caught.value)


def test_a_program_of_absurd_size_is_not_read(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "program.wasm"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModuleError, match="larger than 256 MiB"):
        runtime.open(path)


def test_a_folder_is_no_program(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="Is a directory"):
        runtime.open(tmp_path)


# --- the library


def installed(site: Path, *versions: str, library: bool = True) -> list[str]:
    found = find_library().path
    package = site / "wasmtime"
    (package / found.parent.name).mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    if library:
        (package / found.parent.name / found.name).write_bytes(b"")
    for version in versions:
        (site / f"wasmtime-{version}.dist-info").mkdir()
        (site / f"wasmtime-{version}.dist-info" / "RECORD").write_text("")
    return [str(site)]


def test_the_library_is_found_without_importing_its_package() -> None:
    code = "import sys; from mcpkit.wasm import find_library; print(find_library().version, 'wasmtime' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    version, imported = output.split()
    assert version.startswith("50.")
    assert imported == "False"


def test_another_major_version_is_refused(tmp_path: Path) -> None:
    for number, version in enumerate(("49.0.0", "51.2.0", "5.0.0", "500.0.0")):
        with pytest.raises(LibraryError, match=rf"wasmtime {version} in .* pip install 'wasmtime>=50,<51'"):
            find_library(installed(tmp_path / str(number), version))
    assert find_library(installed(tmp_path / "good", "50.7.0")).version == "50.7.0"


def test_what_an_old_installation_left_does_not_count(tmp_path: Path) -> None:
    site = installed(tmp_path, "49.0.0", "50.0.1")
    (tmp_path / "wasmtime-49.0.0.dist-info" / "RECORD").unlink()
    assert find_library(site).version == "50.0.1"


def test_a_missing_package_or_library_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="pip install 'wasmtime>=50,<51'"):
        find_library([str(tmp_path / "nothing")])
    with pytest.raises(LibraryError, match=r"no library for this machine.*--only-binary"):
        find_library(installed(tmp_path / "pure", "50.0.1", library=False))
    with pytest.raises(LibraryError, match="cannot tell the version"):
        find_library(installed(tmp_path / "bare"))


def test_machines_without_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcpkit.wasm.library._machine", lambda: "armv7l")
    with pytest.raises(LibraryError, match=r"armv7l.*x86_64 or aarch64"):
        find_library()
