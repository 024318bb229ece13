"""Receipts and replay: a call done again comes to the same, to the unit, or says where it does not. # N12"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import guests
from mcpkit.core.wasm import Tool
from mcpkit.metering.receipt import ReceiptError, load_key, new_key, read, sign, verify
from mcpkit.wasm import Runtime
from servers import command, http_server


def mcpkit(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, check=False, **more)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with receipts of three tools, signed."""
    folder = tmp_path_factory.mktemp("recorded")
    public = mcpkit("receipt", "keygen", str(folder / "key"))
    assert public.returncode == 0
    (folder / "key.pub").write_text(public.stdout)
    for file, tool, arguments in (
        ("chance", "chance", "{}"),
        ("calculator", "add", '{"a": 2, "b": 3}'),
        ("text-stats", "text-stats", '{"text": "Hello there."}'),
    ):
        words = [
            "call",
            str(guests.build(file)),
            tool,
            arguments,
            "--record",
            str(folder / "r"),
            "--sign",
            str(folder / "key"),
        ]
        assert mcpkit(*words).returncode == 0
    return folder


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "copy")
    return tmp_path / "copy"


def receipts(folder: Path) -> list[Path]:
    return sorted((folder / "r").glob("*.json"))


def change(path: Path, **members: Any) -> None:
    """Members by name; ``usage__units`` is a member of a member."""
    whole = json.loads(path.read_text())
    for name, value in members.items():
        outer, _, inner = name.partition("__")
        if inner:
            whole[outer][inner] = value
        else:
            whole[outer] = value
    path.write_text(json.dumps(whole))


def of(folder: Path, tool: str) -> Path:
    return next(path for path in receipts(folder) if read(path).tool.name.endswith(tool))


# ---- the sandbox ----


def test_told_the_same_a_guest_does_the_same() -> None:
    with Runtime(cache_dir=guests.BUILD / "compiled") as runtime:
        tool = Tool(runtime.open(guests.build("chance")), style="command", argv=("chance",))
        first, second = tool.call(b"{}", record=True), tool.call(b"{}", record=True)
        assert first.whole
        assert first.output != second.output
        for once in (first, second):
            again = tool.call(b"{}", replay=once.recalled)
            assert (again.output, again.units, again.status) == (once.output, once.units, "ok")
            assert again.whole
        assert tool.call(b"{}").recalled == b""


def test_recording_changes_no_units() -> None:
    with Runtime(cache_dir=guests.BUILD / "compiled") as runtime:
        echo = Tool(runtime.open(guests.build("echo")), style="command", argv=("echo",))
        assert echo.call(b"{}", record=True).units == echo.call(b"{}").units


@given(st.binary(max_size=200))
def test_no_log_does_worse_than_end_the_call(log: bytes) -> None:
    with Runtime(cache_dir=guests.BUILD / "compiled") as runtime:
        tool = Tool(runtime.open(guests.build("chance")), style="command", argv=("chance",))
        result = tool.call(b"{}", replay=log)
    assert result.status == "internal"
    assert "the guest asked for" in result.detail


# ---- mcpkit replay ----


def test_a_folder_is_replayed(folder: Path) -> None:
    run = mcpkit("replay", str(folder / "r"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 same" in run.stdout
    found = json.loads(mcpkit("replay", "--json", str(of(folder, "chance"))).stdout)
    assert [(one["state"], one["differences"]) for one in found] == [("same", [])]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"usage__units": 7}, "compute units: 7 was recorded"),
        ({"usage__memory_bytes": 65536}, "memory: 65,536 was recorded"),
        ({"result__output": base64.b64encode(b"{}").decode()}, "result: {} was recorded"),
        ({"result__status": "trap"}, "status: trap was recorded, ok came"),
        ({"told": ""}, "the guest asked for a clock where the record has nothing more"),
    ],
)
def test_what_differs_is_said(folder: Path, members: dict[str, Any], says: str) -> None:
    path = of(folder, "chance")
    change(path, **members)
    run = mcpkit("replay", str(path))
    assert run.returncode == 11
    assert "differs" in run.stdout
    assert says in run.stdout


def test_another_wasmtime_is_named_first(folder: Path) -> None:
    path = of(folder, "chance")
    change(path, usage__units=7, engine__wasmtime="49.0.0")
    lines = mcpkit("replay", str(path)).stdout.splitlines()
    assert "49.0.0 recorded it" in lines[1]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"told": "%"}, "told is not base64"),
        ({"receipt": 2}, "no receipt of this format"),
        ({"arguments": 7}, "no receipt of this format"),
        ({"tool__module": "sha256:../../etc/passwd"}, "no receipt of this format"),
        ({"tool__module": "sha256:" + "0" * 64}, "No such file"),
        ({"unknown": 1}, "no receipt of this format"),
        ({"limits__max_units": -1}, "no receipt of this format"),
        ({"tool__argv": ["a\u0000b"]}, "no receipt of this format"),
    ],
)
def test_receipts_that_are_none(folder: Path, members: dict[str, Any], says: str) -> None:
    path = of(folder, "chance")
    change(path, **members)
    run = mcpkit("replay", str(path))
    assert run.returncode == 8
    assert says in run.stdout
    assert "Traceback" not in run.stderr


def test_another_module_under_the_same_name(folder: Path) -> None:
    path = of(folder, "chance")
    digest = read(path).tool.module.removeprefix("sha256:")
    shutil.copyfile(guests.build("echo"), folder / "r/modules" / f"{digest}.wasm")
    run = mcpkit("replay", str(path))
    assert run.returncode == 8
    assert "not the module that its name says" in run.stdout


def test_what_cannot_be_replayed_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    words = ["call", str(guests.build("spin")), "spin", "{}", "--timeout", "100ms", "--max-compute-units", "100G"]
    assert mcpkit(*words, "--record", str(folder)).returncode == 5
    assert mcpkit(
        "call", str(guests.build("sleep_p2")), "sleep_p2", "{}", "--timeout", "100ms", "--record", str(folder)
    ).returncode
    run = mcpkit("replay", str(folder))
    assert run.returncode == 0
    assert "it ended as timeout" in run.stdout
    assert "2 skipped" in run.stdout


def test_secrets_are_not_in_receipts(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    module = guests.build("environ")
    config.write_text(f"""
runtime: {{wasm: {{modules: [{{path: {module}, credentials: [{{name: key}}]}}]}}}}
credentials: [{{name: key, env: THE_KEY}}]
""")
    words = ["call", str(module), "environ", "{}", "--config", str(config), "--record", str(tmp_path / "r")]
    assert mcpkit(*words, env={**os.environ, "THE_KEY": "sesame-open"}).returncode == 0
    (path,) = (tmp_path / "r").glob("*.json")
    receipt = read(path)
    assert receipt.tool.secrets == ("KEY",)
    assert "sesame" not in path.read_text()
    assert b"KEY=***" in base64.b64decode(receipt.result.output)
    assert not receipt.reproducible
    assert "credentials" in receipt.why_not


def test_what_is_no_file_is_no_receipt(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "zero.json"):
        with pytest.raises(ReceiptError, match="not a file"):
            read(tmp_path / name)


# ---- servers ----


def test_a_server_records_every_call(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    files = [str(guests.build(name)) for name in ("calculator", "chance")]
    with http_server(*files, "--record", str(folder)) as server:
        for i in range(10):
            assert server.call("add", {"a": i, "b": 1}).json["result"]["structuredContent"] == {"result": i + 1}
        assert not server.call("chance", {}).json["result"]["isError"]
        assert server.call("add", {"a": "x"}).json["result"]["isError"]
    run = mcpkit("replay", str(folder))
    assert (run.returncode, "12 same" in run.stdout) == (0, True), run.stdout
    assert {oct(path.stat().st_mode & 0o777) for path in folder.glob("*.json")} == {"0o600"}
    assert len(list((folder / "modules").iterdir())) == 2


def test_a_folder_that_cannot_be_written_to_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    run = mcpkit("server", str(guests.build("calculator")), "--record", str(tmp_path / "file/r"))
    assert run.returncode == 8
    assert "receipts cannot be written" in run.stderr


# ---- signatures ----


def test_signed_receipts(folder: Path) -> None:
    words = ["receipt", "verify", *map(str, receipts(folder)), "--key", str(folder / "key.pub")]
    assert mcpkit(*words).returncode == 0
    other = mcpkit("receipt", "keygen", str(folder / "other")).stdout.strip()
    run = mcpkit("receipt", "verify", str(receipts(folder)[0]), "--key", other)
    assert run.returncode == 11
    assert "not by this key" in run.stdout


def test_every_change_breaks_the_signature(folder: Path) -> None:
    path = of(folder, "chance")
    public, whole = (folder / "key.pub").read_text().strip(), json.loads(path.read_text())
    verify(read(path), public)

    def leaves(value: Any, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        if isinstance(value, dict):
            return [leaf for key, inner in value.items() for leaf in leaves(inner, (*trail, key))]
        return [trail]

    changed = 0
    for trail in leaves(whole):
        if trail in {("signature",), ("key",), ("receipt",)}:
            continue
        copy = json.loads(path.read_text())
        inner = copy
        for key in trail[:-1]:
            inner = inner[key]
        before = inner[trail[-1]]
        inner[trail[-1]] = (
            not before if isinstance(before, bool)
            else before + 1 if isinstance(before, int)
            else "tracking" if trail[-1] == "enforcement"
            else "pulley" if trail[-1] == "compiler"
            else "function" if trail[-1] == "style"
            else "sha256:" + "1" * 64 if trail[-1] == "module"
            else [*before, ["x", "y"] if trail[-1] == "env" else "x"] if isinstance(before, list)
            else f"{before or ''}x"
        )  # fmt: skip
        path.write_text(json.dumps(copy))
        with pytest.raises(ReceiptError, match="changed"):
            verify(read(path), public)
        changed += 1
    assert changed > 20


def test_unsigned_receipts_and_wrong_keys(folder: Path, tmp_path: Path) -> None:
    path = of(folder, "add")
    public = (folder / "key.pub").read_text().strip()
    change(path, signature=None)
    with pytest.raises(ReceiptError, match="not signed"):
        verify(read(path), public)
    for wrong in ("", "AAAA", "%%%"):
        with pytest.raises(ReceiptError):
            verify(sign(read(path), load_key(folder / "key")), wrong)
    (folder / "key").chmod(0o644)
    with pytest.raises(ReceiptError, match="chmod 600"):
        load_key(folder / "key")
    (tmp_path / "nonsense").write_text("x")
    (tmp_path / "nonsense").chmod(0o600)
    with pytest.raises(ReceiptError, match="PEM"):
        load_key(tmp_path / "nonsense")
    with pytest.raises(ReceiptError, match="File exists"):
        new_key(folder / "key")
