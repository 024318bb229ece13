"""The command line, run as people run it."""

from __future__ import annotations

import json
import logging
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import guests
from mcpkit import __version__
from mcpkit.cli import exits, logs, main, options, parser
from mcpkit.cli.commands.server import merged, welcome
from mcpkit.cli.exits import CliError
from mcpkit.cli.outcome import harmless

COMMANDS = [
    "server",
    "call",
    "tools",
    "validate",
    "install",
    "key",
    "doctor",
    "cache",
    "completion",
    "quotas",
    "config",
    "policy",
    "replay",
    "receipt",
]


def mcpkit(*words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mcpkit", *words],
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


# call

ADD = '{"a": 2, "b": 3}'


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder for compiled code that these tests share."""
    return str(tmp_path_factory.mktemp("cache") / "compiled")


def call(cache: str, guest: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return mcpkit("call", str(guests.build(guest)), *words, stdin=stdin, MCPKIT_CACHE_DIR=cache)


def test_a_call_prints_its_result_and_nothing_else(cache: str) -> None:  # N13
    run = call(cache, "calculator", "add", ADD)
    assert (run.returncode, run.stdout, run.stderr) == (exits.OK, "5\n", "")
    assert call(cache, "calculator", "calculator/add", ADD).stdout == "5\n"


def test_arguments_may_come_from_stdin(cache: str) -> None:
    run = call(cache, "text-stats", "text-stats", "-", stdin='{"text": "one two\\nthree"}')
    assert run.returncode == exits.OK
    answer = json.loads(run.stdout)
    assert (answer["words"], answer["lines"], answer["longest_word"]) == (3, 2, "three")


def test_usage_goes_to_stderr(cache: str) -> None:  # A33, A34, A35, A44, N13
    short = call(cache, "calculator", "add", ADD, "--meter")
    assert short.stdout == "5\n"
    assert short.stderr.startswith("⚡ ")
    assert short.stderr.endswith(" CU\n")
    report = call(cache, "calculator", "add", ADD, "--meter", "detailed").stderr.splitlines()
    assert report[0] == "Compute Usage Report"
    assert len(report) == 8
    machine = json.loads(call(cache, "calculator", "add", ADD, "--meter=json").stderr)
    assert 0 < machine["compute_units"] < machine["max_compute_units"] == 10**9
    bar = call(
        cache, "primes", "count-below", '{"bound": 1000}', "--meter", "progress", "--max-compute-units", "1M"
    ).stderr
    assert bar.startswith("[")


def test_one_json_object_has_everything(cache: str) -> None:
    run = call(cache, "calculator", "divide", '{"dividend": 1, "divisor": 4}', "--json")
    whole = json.loads(run.stdout)
    assert (whole["tool"], whole["status"], whole["result"]) == ("divide", "ok", 0.25)
    assert whole["usage"]["compute_units"] > 0
    failed = json.loads(call(cache, "spin", "spin", "--max-compute-units", "1M", "--json").stdout)
    assert failed["status"] == "out_of_units"
    assert "1000000" in failed["error"].replace(",", "").replace("_", "").replace(" ", "")


@pytest.mark.parametrize(
    ("status", "guest", "words"),
    [
        (exits.TOOL_ERROR, "tool_error", ["tool_error"]),
        (exits.TOOL_ERROR, "exit_status", ["exit_status"]),
        (exits.TOOL_ERROR, "not_json", ["not_json"]),
        (exits.TOOL_ERROR, "calculator", ["divide", '{"dividend": 1, "divisor": 0}']),
        (exits.USAGE, "calculator", ["ad", ADD]),
        (exits.USAGE, "calculator", ["add", ADD, "--max-memory", "much"]),
        (exits.COMPUTE_LIMIT, "spin", ["spin", "--max-compute-units", "1M"]),
        (exits.MEMORY_LIMIT, "echo", ["echo", "--max-memory", "64Ki"]),
        (exits.TIMEOUT, "sleep", ["sleep", "--timeout", "300ms"]),
        (exits.TRAP, "unreachable", ["unreachable"]),
        (exits.BAD_ARGUMENTS, "calculator", ["add", '{"a": "two", "b": 3}']),
        (exits.BAD_ARGUMENTS, "calculator", ["add", '{"a": 2']),
        (exits.BAD_ARGUMENTS, "calculator", ["add", "[2, 3]"]),
        (exits.RESULT_TOO_LARGE, "flood", ["flood"]),
    ],
)
def test_each_kind_of_failure_has_its_exit_status(status: int, guest: str, words: list[str], cache: str) -> None:
    # A46, A53, A54
    run = call(cache, guest, *words)
    assert (run.returncode, run.stdout) == (status, "")
    assert "error: " in run.stderr
    assert "Traceback" not in run.stderr


def test_what_cannot_be_loaded_has_its_own_status(tmp_path: Path, cache: str) -> None:
    (tmp_path / "text.wasm").write_text("no module")
    (tmp_path / "cut.wasm").write_bytes(guests.build("echo").read_bytes()[:100])
    for name in ("text.wasm", "cut.wasm", "nothere.wasm"):
        run = mcpkit("call", str(tmp_path / name), "x", MCPKIT_CACHE_DIR=cache)
        assert run.returncode == exits.CANNOT_LOAD
        assert name in run.stderr


def test_a_tool_that_is_not_there_is_answered_with_the_nearest(cache: str) -> None:
    assert 'did you mean "add"?' in call(cache, "calculator", "ad", ADD).stderr


def test_the_guests_own_words_go_to_stderr(cache: str) -> None:
    run = call(cache, "chatter", "chatter")
    assert run.returncode == exits.OK
    assert run.stderr != ""
    json.loads(run.stdout)


def test_limits_and_descriptions_come_from_a_configuration(tmp_path: Path, cache: str) -> None:  # A48
    spin = guests.build("spin")
    config = tmp_path / "config.yaml"
    config.write_text(f"""\
runtime: {{wasm: {{module_path: {spin}, metering: {{max_compute_units: 1M, display_format: json}}}}}}
mcp: {{tools: [{{name: whirl, description: Goes round}}]}}
""")
    run = call(cache, "spin", "whirl", "--config", str(config), "--meter")
    assert run.returncode == exits.COMPUTE_LIMIT
    assert json.loads(run.stderr.splitlines()[-1])["max_compute_units"] == 1_000_000
    raised = call(cache, "spin", "whirl", "--config", str(config), "--meter", "--max-compute-units", "2M")
    assert json.loads(raised.stderr.splitlines()[-1])["max_compute_units"] == 2_000_000
    assert "Goes round" in mcpkit("tools", "--config", str(config), MCPKIT_CACHE_DIR=cache).stdout


def test_an_interrupt_ends_a_call_at_once(cache: str) -> None:
    spin = str(guests.build("spin"))
    words = [sys.executable, "-m", "mcpkit", "call", spin, "spin", "--max-compute-units", "900_000B"]
    environ = {**os.environ, "PYTHONPATH": "src", "MCPKIT_CACHE_DIR": cache}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process:
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (exits.INTERRUPTED, b"")
    assert b"Traceback" not in err


# tools


def test_the_tools_of_a_file_are_listed_for_people_and_programs(cache: str) -> None:
    file = str(guests.build("calculator"))
    text = mcpkit("tools", file, MCPKIT_CACHE_DIR=cache).stdout
    assert call(cache, "calculator").stdout == text
    lines = text.splitlines()
    assert lines[lines.index("add") : lines.index("add") + 4] == [
        "add",
        "  Add two whole numbers; the sum is exact.",
        "    a: integer",
        "    b: integer",
    ]
    tools = json.loads(mcpkit("tools", "--json", file, MCPKIT_CACHE_DIR=cache).stdout)
    assert [tool["name"] for tool in tools] == sorted(tool["name"] for tool in tools)
    add = next(tool for tool in tools if tool["name"] == "add")
    assert add["inputSchema"]["required"] == ["a", "b"]
    assert (add["module"], add["style"]) == ("calculator", "function")


def test_listing_nothing_is_a_wrong_command_line() -> None:
    run = mcpkit("tools")
    assert (run.returncode, run.stdout) == (exits.USAGE, "")


# server


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:  # A48
    (tmp_path / "a.wasm").touch()
    (tmp_path / "b.wasm").touch()
    config = tmp_path / "config.yaml"
    config.write_text("""\
server: {name: mine, port: 8080, log_level: debug}
transport: {type: http, settings: {allowed_hosts: [one.example]}}
runtime: {wasm: {module_path: a.wasm}}
""")

    def settle(*words: str) -> tuple[object, ...]:
        args = parser.build().parse_args(parser.settle(["server", "--config", str(config), *words]))
        merge = merged(args, options.loaded(args).config)
        modules = [module.label for module in merge.modules()]
        hosts = merge.transport.settings.allowed_hosts
        return merge.transport.type, merge.server.bind, merge.server.port, merge.server.log_level, modules, hosts

    base = ("http", "127.0.0.1", 8080, "debug", ["a"], ("one.example",))
    files = [str(tmp_path / "a.wasm"), str(tmp_path / "b.wasm")]
    assert settle() == base
    assert settle("--http") == base
    assert settle("--stdio", "--log-level", "error") == ("stdio", "127.0.0.1", 8080, "error", ["a"], ("one.example",))
    assert settle("--http", "0.0.0.0:90", *files) == ("http", "0.0.0.0", 90, "debug", ["a", "b"], ("one.example",))
    assert settle("--allowed-host", "two.example")[-1] == ("one.example", "two.example")


def test_the_welcome_can_be_pasted_into_clients() -> None:
    text = welcome("mine", "http://127.0.0.1:3000/mcp", ["b", "a"])
    assert "tools: a, b" in text
    decoder = json.JSONDecoder()
    first = text.index("{")
    servers, length = decoder.raw_decode(text[first:])
    code, _ = decoder.raw_decode(text[text.index("{", first + length) :])
    entry = {"mine": {"type": "http", "url": "http://127.0.0.1:3000/mcp"}}
    assert (servers, code) == ({"mcpServers": entry}, {"servers": entry})


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def test_a_server_says_where_it_is_and_ends_on_a_signal(cache: str) -> None:
    words = [sys.executable, "-m", "mcpkit", "server", "--http", "127.0.0.1:0", str(guests.build("calculator"))]
    environ = {**os.environ, "PYTHONPATH": "src", "MCPKIT_CACHE_DIR": cache, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert "add" in process.stdout.readline()
        request = urllib.request.Request(
            url,
            json.dumps(INITIALIZE).encode(),
            {"content-type": "application/json", "accept": "application/json, text/event-stream"},
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            assert json.load(response)["result"]["serverInfo"]["name"] == "mcpkit"
        port = url.rpartition(":")[2].partition("/")[0]
        second = mcpkit(
            "server", "--http", f"127.0.0.1:{port}", str(guests.build("calculator")), MCPKIT_CACHE_DIR=cache
        )
        assert second.returncode == exits.INTERNAL
        assert f"error: cannot listen on 127.0.0.1 port {port}: " in second.stderr
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == exits.OK
    assert "serving 4 tools on http://127.0.0.1:" in err


def test_a_server_speaks_on_stdio_by_default(cache: str) -> None:
    call = {
        "jsonrpc": "2.0",
        "id": "x",
        "method": "tools/call",
        "params": {"name": "add", "arguments": {"a": 1, "b": 2}},
    }
    lines = "".join(json.dumps(message) + "\n" for message in (INITIALIZE, call))
    run = mcpkit("server", str(guests.build("calculator")), "--log-format", "json", stdin=lines, MCPKIT_CACHE_DIR=cache)
    assert run.returncode == exits.OK
    first, second = map(json.loads, run.stdout.splitlines())
    assert first["result"]["protocolVersion"] == "2025-11-25"
    assert second["result"]["structuredContent"] == {"result": 3}
    assert json.loads(run.stderr.splitlines()[-1])["message"] == "serving 4 tools on stdio"


def test_a_server_whose_modules_cannot_be_served_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "x.wasm").write_bytes(b"\0asm\1\0\0\0")
    run = mcpkit("server", str(tmp_path / "x.wasm"))
    assert (run.returncode, run.stdout) == (exits.CANNOT_LOAD, "")
    assert "x.wasm" in run.stderr


def test_a_server_with_nothing_to_serve_does_not_start() -> None:
    run = mcpkit("server")
    assert (run.returncode, run.stdout) == (exits.USAGE, "")
    assert "nothing to serve" in run.stderr


# validate


def test_validate_prints_the_effective_limits(tmp_path: Path) -> None:  # A61
    (tmp_path / "t.wasm").touch()
    config = tmp_path / "config.yaml"
    config.write_text(
        "runtime: {wasm: {module_path: t.wasm, fuel: 20_000_000, memory_pages: 16}, limits: {execution_time: 90s}}"
    )
    run = mcpkit("validate", str(config))
    assert run.returncode == exits.OK
    lines = [(line[2:20].strip(), line[20:50].strip()) for line in run.stdout.splitlines()[5:11]]
    assert lines == [
        ("enforcement", "strict"),
        ("compute units", "20,000,000"),
        ("warning at", "never"),
        ("memory", "1Mi (1,048,576 bytes)"),
        ("memory warning at", "never"),
        ("wall clock", "90s"),
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
            [sys.executable, "-m", "mcpkit", *words],
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
            [sys.executable, "-m", "mcpkit", "completion", "fish"],
            stdout=theirs,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": "src"},
            check=False,
        )
    finally:
        os.close(theirs)
    assert (run.returncode, run.stderr) == (exits.OK, b"")


# cache, doctor


def test_the_cache_is_counted_and_emptied(tmp_path: Path) -> None:  # A04, A05
    folder = str(tmp_path / "compiled")
    run = mcpkit("call", str(guests.build("calculator")), "add", ADD, "--cache-dir", folder)
    assert run.stdout == "5\n"
    stats = json.loads(mcpkit("cache", "--cache-dir", folder, "--json").stdout)
    assert (stats["entries"], stats["folder"]) == (1, folder)
    assert mcpkit("cache", "--clear", "--cache-dir", folder).stdout == "removed 1 compiled program\n"
    assert "0 compiled programs" in mcpkit("cache", "--cache-dir", folder).stdout
    mcpkit("call", str(guests.build("calculator")), "add", ADD, "--cache-dir", folder, "--no-cache")
    assert "0 compiled programs" in mcpkit("cache", "--stats", "--cache-dir", folder).stdout


def test_the_doctor_reports_what_it_found() -> None:
    run = mcpkit("doctor", "--json")
    assert run.returncode == exits.OK
    report = json.loads(run.stdout)
    assert report["problems"] == []
    assert report["wasmtime"]["version"].startswith("50.")
    assert "portable" in report["kernels"]["sha256"]
    assert "everything needed is here" in mcpkit("doctor").stdout
