"""WasmEdge as an engine: commands run by its library under the same limits; what it cannot hold is refused. # A01"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wasmtime

import guests
from mcpkit.wasmedge import WasmEdge, WasmEdgeError, find
from servers import command, http_server

ROOT = Path(__file__).resolve().parents[1]
GUESTS = ("echo", "environ", "exit_status", "not_json", "spin", "flood", "unreachable")
CONFIG = """
runtime:
  type: wasmedge
  wasm:
    modules: [{modules}]
    metering: {{max_compute_units: 5M, quotas: {{store: {store}, {quotas}}}}}
"""
SOCKET = """(module (import "wasi_snapshot_preview1" "sock_open" (func (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (func (export "_start")))"""


@pytest.fixture(scope="session")
def unpacked() -> dict[str, str]:
    """The variables with which mcpkit finds a WasmEdge of Debian's."""
    spec = importlib.util.spec_from_file_location("wasmedge_root", ROOT / "tools" / "wasmedge_root.py")
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return dict(tool.variables(tool.make()))


@pytest.fixture(scope="session")
def edge(unpacked: dict[str, str]) -> WasmEdge:
    return find(unpacked)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    modules = tmp_path / "modules"
    modules.mkdir()
    for name in GUESTS:
        (modules / f"{name}.wasm").write_bytes(guests.build(name).read_bytes())
    return modules


@pytest.fixture
def config(folder: Path) -> Callable[..., str]:
    def write(quotas: str = "") -> str:
        path = folder.parent / "config.yaml"
        modules = ", ".join(f"{{path: {folder / name}.wasm}}" for name in GUESTS)
        path.write_text(CONFIG.format(modules=modules, quotas=quotas, store=folder.parent / "quotas"))
        return str(path)

    return write


@pytest.fixture
def server(config: Callable[..., str], unpacked: dict[str, str]) -> Iterator[Any]:
    with http_server("--config", config(), env=unpacked) as running:
        yield running


def shell(*args: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **env}
    )


def test_the_tools_of_a_server_run_in_it(server: Any) -> None:
    answer = server.call("echo", {"word": "grüezi", "deep": [1, {"a": None}]}).json["result"]
    assert answer["structuredContent"] == {"word": "grüezi", "deep": [1, {"a": None}]}
    assert answer["isError"] is False
    assert 0 < answer["_meta"]["io.mcpkit/usage"]["computeUnits"] < 5_000_000
    assert answer["_meta"]["io.mcpkit/usage"]["memoryBytes"] % 65_536 == 0


def test_units_are_exact(server: Any) -> None:
    used = {server.call("echo", {"a": 1}).json["result"]["_meta"]["io.mcpkit/usage"]["computeUnits"] for _ in range(3)}
    assert len(used) == 1


@pytest.mark.parametrize(
    ("guest", "kind", "text"),
    [
        ("spin", "out_of_units", "5000000 units"),
        ("flood", "result_too_large", "bytes to stdout"),
        ("unreachable", "trap", "unreachable"),
    ],
)
def test_limits_hold(server: Any, guest: str, kind: str, text: str) -> None:
    answer = server.call(guest, {}).json["result"]
    assert answer["isError"] is True
    assert answer["_meta"]["io.mcpkit/error"]["kind"] == kind
    assert text in answer["content"][0]["text"]
    assert server.call("echo", {"still": "here"}).json["result"]["structuredContent"] == {"still": "here"}


@pytest.mark.parametrize(("guest", "text"), [("exit_status", "exit status 7"), ("not_json", "not one JSON value")])
def test_a_command_that_fails_says_how(server: Any, guest: str, text: str) -> None:
    answer = server.call(guest, {}).json["result"]
    assert answer["isError"] is True
    assert text in answer["content"][0]["text"]


def test_nothing_of_the_server_s_surroundings_is_seen(server: Any) -> None:
    answer = server.call("environ", {}).json["result"]
    assert answer["isError"] is False
    assert "MCPKIT_WASMEDGE" not in json.dumps(answer)
    assert "PATH" not in json.dumps(answer)


def test_time_is_limited(folder: Path, edge: WasmEdge) -> None:
    from mcpkit.wasmedge import EdgeTool

    tool = EdgeTool(edge, folder / "spin.wasm", ("spin",), (), 0, 64 << 20, 400_000_000)
    ended = tool.call(b"{}")
    assert (ended.status, ended.output) == ("timeout", b"")
    assert "0.4 seconds" in ended.detail


def test_memory_is_limited(edge: WasmEdge) -> None:
    from mcpkit.wasmedge import EdgeTool

    grow = guests.build("grow_politely")
    small, large = (
        EdgeTool(edge, grow, ("grow",), (), 0, most, 20_000_000_000).call(b"{}").memory_bytes
        for most in (4 << 20, 32 << 20)
    )
    assert small <= 4 << 20 < large <= 32 << 20


def test_quotas_count_its_units(config: Callable[..., str], unpacked: dict[str, str]) -> None:
    with http_server("--config", config("per_day: 12M"), env=unpacked) as server:
        kinds = [server.call("spin", {}).json["result"]["_meta"]["io.mcpkit/error"]["kind"] for _ in range(3)]
        refused = server.call("echo", {}).json["result"]
    assert kinds == ["out_of_units"] * 3
    assert refused["isError"] is True
    assert "quota" in refused["content"][0]["text"]


def test_the_shell_s_calls(config: Callable[..., str], folder: Path, unpacked: dict[str, str]) -> None:
    words = ("call", "--config", config(), "--json")
    run = shell(*words, str(folder / "echo.wasm"), "echo", '{"a": 1}', env=unpacked)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["result"] == {"a": 1}
    assert shell(*words, str(folder / "spin.wasm"), "spin", "{}", env=unpacked).returncode == 3
    assert shell(*words, str(folder / "unreachable.wasm"), "unreachable", "{}", env=unpacked).returncode == 6
    words = (*words, "--record", str(folder.parent / "receipts"))
    recorded = shell(*words, str(folder / "echo.wasm"), "echo", "{}", env=unpacked)
    assert recorded.returncode == 2
    assert "cannot be recorded" in recorded.stderr


def test_the_doctor_names_it(unpacked: dict[str, str]) -> None:
    found = json.loads(shell("doctor", "--json", env=unpacked).stdout)["wasmedge"]
    assert found["path"] == unpacked["MCPKIT_WASMEDGE"]
    assert found["version"][0].isdigit()


def test_without_the_library_a_server_says_what_to_do(config: Callable[..., str], tmp_path: Path) -> None:
    missing = str(tmp_path / "libwasmedge.so.0")
    run = shell("server", "--http", "127.0.0.1:0", "--config", config(), env={"MCPKIT_WASMEDGE": missing})
    assert run.returncode == 8
    assert missing in run.stderr
    assert "libwasmedge0" in run.stderr
    assert json.loads(shell("doctor", "--json", env={"MCPKIT_WASMEDGE": missing}).stdout)["wasmedge"] is None


def test_a_file_that_is_no_library_takes_nobody_with_it(tmp_path: Path) -> None:
    (tmp_path / "libwasmedge.so").write_bytes(b"\x7fELF and nothing more")
    with pytest.raises(WasmEdgeError, match="cannot be loaded"):
        find({"MCPKIT_WASMEDGE": str(tmp_path / "libwasmedge.so")})


def test_what_it_cannot_hold_is_refused(config: Callable[..., str], folder: Path, unpacked: dict[str, str]) -> None:
    words = ("call", "--config", config(), "--json")
    component = shell(*words, str(guests.build("calculator")), "add", '{"a": 1, "b": 2}', env=unpacked)
    assert component.returncode == 8
    assert "is a component" in component.stderr
    (folder / "socket.wasm").write_bytes(wasmtime.wat2wasm(SOCKET))
    socket = shell(*words, str(folder / "socket.wasm"), "socket", "{}", env=unpacked)
    assert socket.returncode == 8
    assert "sock_open" in socket.stderr
