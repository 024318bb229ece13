"""The command line, run as people run it."""

from __future__ import annotations

import json
import logging
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mcpkit import __version__
from mcpkit.cli import exits, logs, main, options, parser
from mcpkit.cli.exits import CliError
from mcpkit.cli.outcome import harmless

COMMANDS = ["server", "call", "tools", "validate", "doctor", "cache", "completion"]


def mcpkit(*words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mcpkit.cli", *words],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, "PYTHONPATH": "src", **environ},
        check=False,
    )


# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert f"mcpkit {command}" in text.partition("examples:")[2]


def test_the_exit_statuses_are_in_the_help_of_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["call", "--help"])
    text = capsys.readouterr().out
    assert all(f"  {code:<4}{meaning}" in text for code, meaning in exits.MEANINGS.items())


def test_help_and_version_load_next_to_nothing() -> None:
    for word in ("--help", "--version"):
        run = mcpkit(word, PYTHONPROFILEIMPORTTIME="1")
        assert run.returncode == 0
        loaded = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
        assert not loaded & {"msgspec", "orjson", "yaml", "uvloop", "asyncio", "mcpkit.config", "mcpkit.core.wasm"}
    assert run.stdout == f"mcpkit {__version__}\n"


def test_without_a_command_the_help_is_shown_as_an_error() -> None:
    run = mcpkit()
    assert (run.returncode, run.stdout) == (exits.USAGE, "")
    assert "usage: mcpkit" in run.stderr


@pytest.mark.parametrize(
    ("words", "settled"),
    [
        (["call", "--meter", "f.wasm"], ["call", "--meter=auto", "f.wasm"]),
        (["call", "f.wasm", "--meter"], ["call", "f.wasm", "--meter=auto"]),
        (["call", "--meter", "json", "f.wasm"], ["call", "--meter", "json", "f.wasm"]),
        (["server", "--http", "f.wasm"], ["server", "--http=", "f.wasm"]),
        (["server", "--http", "localhost:80", "f.wasm"], ["server", "--http", "localhost:80", "f.wasm"]),
        (["server", "--http", "[::1]:80"], ["server", "--http", "[::1]:80"]),
        (["call", "f", "t", "--", "--meter"], ["call", "f", "t", "--", "--meter"]),
    ],
)
def test_an_optional_value_does_not_swallow_what_follows(words: list[str], settled: list[str]) -> None:
    assert parser.settle(words) == settled


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", ("127.0.0.1", 3000)),
        ("8080", ("127.0.0.1", 8080)),
        (":0", ("127.0.0.1", 0)),
        ("example.org", ("example.org", 3000)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:80", ("::1", 80)),
        ("[::1]", ("::1", 3000)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert options.address(text) == address


@pytest.mark.parametrize("text", ["host:port", "host:70000", "1:2:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(CliError, match="port"):
        options.address(text)


# validate


def test_validate_prints_the_effective_limits(tmp_path: Path) -> None:  # A61
    (tmp_path / "t.wasm").touch()
    config = tmp_path / "config.yaml"
    config.write_text(
        "runtime: {wasm: {module_path: t.wasm, fuel: 20_000_000, memory_pages: 16}, limits: {execution_time: 90s}}"
    )
    run = mcpkit("validate", str(config))
    assert run.returncode == exits.OK
    lines = [line.split(maxsplit=1) for line in run.stdout.splitlines()[5:]]
    assert lines == [
        ["enforcement", "strict"],
        ["compute", "units   20,000,000"],
        ["warning", "at      never"],
        ["memory", "1Mi (1,048,576 bytes)"],
        ["wall", "clock      90s"],
    ]
    machine = json.loads(mcpkit("validate", "--json", str(config)).stdout)
    assert machine["limits"]["max_units"] == 20_000_000


def test_validate_names_every_fault_with_its_place(tmp_path: Path) -> None:  # A61
    config = tmp_path / "config.yaml"
    config.write_text("server:\n  prot: 1\n  port: 0\n")
    run = mcpkit("validate", str(config))
    assert (run.returncode, run.stdout) == (exits.CANNOT_LOAD, "")
    assert run.stderr.splitlines() == [
        f"{config}:2:3: server.prot: unknown key; did you mean 'port'?",
        f"{config}:3:9: server.port: must be between 1 and 65535, got 0",
        f"error: {config}: 2 problems",
    ]
    machine = json.loads(mcpkit("validate", "--json", str(config)).stdout)
    assert [(problem["line"], problem["path"]) for problem in machine["problems"]] == [
        (2, "server.prot"),
        (3, "server.port"),
    ]


# completion


def test_bash_completes_commands_options_and_values() -> None:
    script = mcpkit("completion", "bash").stdout

    def complete(*words: str) -> set[str]:
        ask = (
            f"{script}\nCOMP_WORDS=(mcpkit {' '.join(repr(word) for word in words)}); "
            f"COMP_CWORD={len(words)}; _mcpkit; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        run = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True, cwd="/")
        return set(run.stdout.split())

    assert complete("") >= set(COMMANDS)
    assert complete("va") == {"validate"}
    assert complete("server", "--allowed-") == {"--allowed-host", "--allowed-origin"}
    assert complete("call", "f.wasm", "--meter", "d") >= {"detailed"}
    assert "fish" in complete("completion", "f")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_every_command_and_option(shell: str) -> None:
    run = mcpkit("completion", shell)
    assert run.returncode == exits.OK
    assert all(command in run.stdout for command in COMMANDS)
    assert "max-compute-units" in run.stdout
    if found := shutil.which(shell):
        subprocess.run([found, "-n"], input=run.stdout, text=True, check=True)


# logs


def test_logs_are_text_or_json_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.raiseExceptions)
    try:
        logs.set_up("info", "text")
        logging.getLogger("mcpkit.x").info("hello %s", "there", extra={"tool": "add"})
        logging.getLogger("mcpkit.x").debug("too quiet")
        logs.set_up("debug", "json")
        try:
            raise ValueError("broken")
        except ValueError:
            logging.getLogger("mcpkit.x").exception("it failed", extra={"tool": "add", "n": 1})
    finally:
        root.handlers[:], level, logging.raiseExceptions = before
        root.setLevel(level)
    captured = capsys.readouterr()
    assert captured.out == ""
    text, machine = captured.err.splitlines()
    assert text.endswith("info    mcpkit.x: hello there tool=add")
    line = json.loads(machine)
    assert (line["level"], line["logger"], line["message"]) == ("error", "mcpkit.x", "it failed")
    assert (line["tool"], line["n"]) == ("add", 1)
    assert "ValueError: broken" in line["exception"]
    assert line["time"].endswith("Z")


# terminals


def on_terminal(*words: str, **environ: str) -> str:
    """What a command writes to stderr when that is a terminal."""
    ours, theirs = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    try:
        subprocess.run(
            [sys.executable, "-m", "mcpkit.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            timeout=60,
            env={**clean, "TERM": "xterm", "PYTHONPATH": "src", **environ},
            check=False,
        )
        return os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_colours_are_for_terminals_that_want_them() -> None:
    assert "\x1b[31merror:" in on_terminal("validate", "no.yaml")
    assert "\x1b" not in on_terminal("validate", "no.yaml", NO_COLOR="1")
    assert "\x1b" not in on_terminal("validate", "no.yaml", TERM="dumb")
    assert "\x1b" not in mcpkit("validate", "no.yaml").stderr


def test_guest_text_cannot_steer_a_terminal() -> None:
    assert harmless("a\x1b[2Jb\x9bc\td\ne\x7f\x00") == "a\ufffd[2Jb\ufffdc\td\ne\ufffd\ufffd"


def test_a_reader_that_goes_away_is_no_error() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        run = subprocess.run(
            [sys.executable, "-m", "mcpkit.cli", "completion", "fish"],
            stdout=theirs,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": "src"},
            check=False,
        )
    finally:
        os.close(theirs)
    assert (run.returncode, run.stderr) == (exits.OK, b"")
