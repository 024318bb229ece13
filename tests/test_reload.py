"""A running server and a configuration that changes under it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import servers
from mcpkit.config import Config, loads, needs_restart
from servers import LEGACY, HttpServer, http, http_server, legacy, modern, modern_headers

TOOL = """
(component
  (core module $m
    (func (export "{name}") (param $rounds i32) (result i32)
      (loop $l
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (br_if $l (i32.gt_s (local.get $rounds) (i32.const 0))))
      (i32.const {answer})))
  (core instance $i (instantiate $m))
  (func (export "{name}") (param "rounds" s32) (result s32) (canon lift (core func $i "{name}"))))
"""


USAGE = "io.mcpkit/usage"


class Home:
    """A folder with a configuration and modules, rewritten while a server runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"

    def module(self, name: str, answer: int = 1) -> None:
        (self.folder / f"{name}.wat").write_text(TOOL.format(name=name, answer=answer))

    def write(self, *modules: str, fuel: int = 10**11, more: str = "") -> None:
        """Replace the configuration at one stroke, as editors do."""
        listed = ", ".join(f"{{path: {name}.wat}}" for name in modules)
        fresh = self.folder / "fresh"
        fresh.write_text(f"runtime:\n  wasm: {{fuel: {fuel}, modules: [{listed}]}}\n{more}")
        fresh.replace(self.config)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.module("work")
    home.write("work")
    return home


@pytest.fixture
def server(home: Home) -> Iterator[HttpServer]:
    with http_server("--config", str(home.config)) as server:
        yield server


def until(holds: Callable[[], Any]) -> Any:
    """Wait for what must come; the deadline is for a server that is broken."""
    end = time.monotonic() + 30
    while not (value := holds()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return value


def tools(server: HttpServer) -> set[str]:
    listed = server.ask(modern("tools/list"), modern_headers("tools/list")).json["result"]["tools"]
    return {tool["name"] for tool in listed}


def stopped(server: HttpServer, rounds: int, name: str = "work") -> bool:
    """Whether a call is stopped by its compute limit."""
    result = server.call(name, {"rounds": rounds}).json["result"]
    assert not result.get("isError") or "compute limit" in result["content"][0]["text"]
    return bool(result.get("isError"))


def logged(server: HttpServer, text: str) -> Callable[[], bool]:
    return lambda: text in server.log.read_text()


def test_limits_change_while_calls_run_and_those_end_as_they_began(home: Home, server: HttpServer) -> None:  # A61
    spin = {"name": "work", "arguments": {"rounds": 300_000_000}}
    with server.connect() as running:
        running.send(
            http(modern("tools/call", spin, meta={"progressToken": "p"}), modern_headers("tools/call", "work"))
        )
        running.read_until(b"notifications/progress")  # it runs, under the limit of before
        home.write("work", fuel=10_000)
        until(lambda: stopped(server, 100_000))
        while "result" not in (answer := event(running.read_until(b"\n\n"))):
            pass
    assert not answer["result"].get("isError")
    assert answer["result"]["_meta"][USAGE]["computeUnits"] > 300_000_000
    home.write("work", fuel=10**9)
    until(lambda: not stopped(server, 100_000))


def test_calls_that_never_stop_coming_all_get_an_answer_of_the_old_or_the_new(home: Home, server: HttpServer) -> None:
    home.module("other", answer=2)
    ended = threading.Event()
    answers: list[Any] = []
    failures: list[Any] = []

    def caller() -> None:
        with server.connect() as connection:
            while not ended.is_set():
                request = modern("tools/call", {"name": "work", "arguments": {"rounds": 20_000}})
                connection.send(http(request, modern_headers("tools/call", "work")))
                answer = connection.receive()
                (answers if answer.status == 200 and "result" in answer.json else failures).append(answer)

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for thread in callers:
        thread.start()
    try:
        for turn in range(6):
            home.write("work", *(["other"] if turn % 2 == 0 else []), fuel=10**9 if turn % 3 else 10_000)
            server.process.send_signal(signal.SIGHUP)
            wanted = {"work", "other"} if turn % 2 == 0 else {"work"}
            until(lambda wanted=wanted: tools(server) == wanted)
    finally:
        ended.set()
        for thread in callers:
            thread.join()
    assert failures == []
    texts = {answer.json["result"]["content"][0]["text"] for answer in answers}
    assert '{"result":1}' in texts
    assert any("compute limit" in text for text in texts)


def test_tools_come_and_go_and_sessions_stay_and_hear_of_it(home: Home, server: HttpServer) -> None:
    answer = server.ask(servers.initialize())
    assert answer.json["result"]["capabilities"]["tools"] == {"listChanged": True}
    session = answer.headers["mcp-session-id"]
    inside: dict[str, str | None] = {"Mcp-Session-Id": session, "MCP-Protocol-Version": LEGACY}
    listen = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    with server.connect() as old, server.connect() as new:
        old.send(http(b"", {**inside, "Accept": "text/event-stream"}, method="GET"))
        old.read_until(b"\r\n\r\n")
        new.send(http(listen, modern_headers("subscriptions/listen")))
        acknowledged = event(new.read_until(b"\n\n"))
        assert acknowledged["params"]["notifications"] == {"toolsListChanged": True}
        home.module("other", answer=2)
        home.write("work", "other")
        for connection in (old, new):
            while "list_changed" not in (heard := event(connection.read_until(b"\n\n"))).get("method", ""):
                pass
            assert heard["method"] == "notifications/tools/list_changed"
    listed = server.ask(legacy("tools/list"), inside).json["result"]["tools"]
    assert {tool["name"] for tool in listed} == {"work", "other"}
    called = server.ask(legacy("tools/call", {"name": "other", "arguments": {"rounds": 1}}), inside)
    assert called.json["result"]["structuredContent"] == {"result": 2}
    home.write("other")
    until(lambda: tools(server) == {"other"})
    gone = server.ask(legacy("tools/call", {"name": "work", "arguments": {"rounds": 1}}), inside)
    assert gone.json["error"]["code"] == -32602


def event(text: bytes) -> Any:
    """The message of a server-sent event; {} for one without."""
    lines = [line[5:].strip() for line in text.decode().splitlines() if line.startswith("data:")]
    return json.loads("".join(lines)) if "".join(lines) else {}


@pytest.mark.parametrize(
    ("breakage", "said"),
    [
        (lambda home: home.write("work", more="server: {prot: 1}\n"), "config.yaml:3:10: server.prot: unknown key"),
        (lambda home: home.write("work", "gone"), "there is no file"),
        (lambda home: home.write("work", "broken"), "not valid WebAssembly text"),
        (lambda home: home.config.unlink(), "config.yaml is gone"),
        (lambda home: home.write("work", more="server: {port: 1}\n"), None),  # the command line says the port
        (
            lambda home: home.write(
                "work", more="transport: {settings: {max_body_size: 1Mi}}\nserver: {name: other}\n"
            ),
            "transport.settings.max_body_size: a change needs a restart",
        ),
        (
            lambda home: home.write("work", more="tasks: {enabled: false}\n"),
            "tasks.enabled: a change needs a restart",
        ),
    ],
    ids=["unknown key", "no such module", "broken module", "gone", "overridden", "restart", "tasks"],
)
def test_what_is_wrong_is_logged_and_the_old_stays(
    home: Home, server: HttpServer, breakage: Callable[[Home], None], said: str | None
) -> None:
    (home.folder / "broken.wat").write_text("(module (func (export")
    breakage(home)
    if said is not None:
        until(logged(server, said))
        assert tools(server) == {"work"}
        assert not stopped(server, 100_000)
    home.write("work", fuel=10_000)
    until(lambda: stopped(server, 100_000))


def test_every_key_that_needs_a_restart_is_named(home: Home, server: HttpServer) -> None:
    key = f"sha256:{'0' * 32}:{'0' * 64}"
    home.write("work", more=f"security: {{api_keys: [{{name: a, hash: '{key}'}}]}}\nserver: {{title: t}}\n")
    until(logged(server, f"{home.config}:3: security.api_keys: a change needs a restart"))
    assert "server.title: a change needs a restart" in server.log.read_text()
    assert tools(server) == {"work"}


def test_more_memory_than_the_engine_has_room_for_needs_a_restart(home: Home, server: HttpServer) -> None:
    home.write("work", more="  limits: {memory: 1Gi}\n")
    until(logged(server, "more need a restart"))


def test_a_hangup_reads_modules_again_that_have_changed(home: Home, server: HttpServer) -> None:
    assert server.call("work", {"rounds": 1}).json["result"]["structuredContent"] == {"result": 1}
    home.module("work", answer=7)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.call("work", {"rounds": 1}).json["result"]["structuredContent"] == {"result": 7})


def test_flags_and_environment_still_win_after_a_reload(home: Home) -> None:  # A48
    words = ["--config", str(home.config), "--max-compute-units", "20_000"]
    with http_server(*words, env={"MCPKIT_RUNTIME__LIMITS__EXECUTION_TIME": "9s"}) as server:
        assert stopped(server, 100_000)
        home.module("other")
        home.write("work", "other", fuel=10**9)
        until(lambda: tools(server) == {"work", "other"})
        assert stopped(server, 100_000)


POLICY = "policy: {mcp: {tools: {allow: [{name: 'work/*'}, {name: 'other/*', max_calls_per_minute: 2}]}}}\n"


def test_a_policy_holds_for_tools_that_come_later(home: Home, tmp_path: Path) -> None:
    home.write("work", more=POLICY)
    with http_server("--config", str(home.config), env={"XDG_STATE_HOME": str(tmp_path)}) as server:
        for name in ("other", "third"):
            home.module(name)
        home.write("work", "other", "third", more=POLICY)
        until(lambda: tools(server) == {"work", "other"})
        assert "error" in (denied := server.call("third", {"rounds": 1}).json) or denied["result"]["isError"]
        called = [server.call("other", {"rounds": 1}).json["result"].get("isError", False) for _ in range(3)]
        assert called == [False, False, True]
        home.write("work", more=POLICY.replace("work/*", "*"))
        until(logged(server, "a change needs a restart"))
        assert tools(server) == {"work", "other"}


def test_a_policy_in_a_file_of_its_own_is_watched_too(home: Home) -> None:
    policy = home.folder / "policy.yaml"
    policy.write_text("mcp: {tools: {allow: ['work']}}\n")
    home.write("work", more="policy: policy.yaml\n")
    with http_server("--config", str(home.config)) as server:
        policy.write_text("mcp: {tools: {allow: ['*']}}\n")
        until(logged(server, f"{policy}:1: policy.mcp.tools.allow: a change needs a restart"))


def test_a_rate_counts_by_the_name_that_clients_see(home: Home, tmp_path: Path) -> None:
    """Two modules have a tool of one name; the rule is for what one of them is called because of that."""
    (home.folder / "twin.wat").write_text((home.folder / "work.wat").read_text())
    rule = "policy: {mcp: {tools: {allow: ['*', {name: twin_work, max_calls_per_minute: 1}]}}}\n"
    home.write("work", "twin", more=rule)
    with http_server("--config", str(home.config), env={"XDG_STATE_HOME": str(tmp_path)}) as server:
        assert "twin_work" in tools(server)
        called = [server.call("twin_work", {"rounds": 1}).json["result"].get("isError", False) for _ in range(2)]
        assert called == [False, True]


def test_log_settings_follow(home: Home, server: HttpServer) -> None:
    home.write("work", more="server: {log_format: json}\n")
    until(logged(server, '"logger": "mcpkit.reload"'))


def test_without_reload_nothing_is_promised_and_nothing_changes(home: Home) -> None:
    with http_server("--config", str(home.config), "--no-reload") as server:
        answer = server.ask(servers.initialize())
        assert answer.json["result"]["capabilities"]["tools"] == {}
    with http_server(str(home.folder / "work.wat")) as server:
        assert server.ask(servers.initialize()).json["result"]["capabilities"]["tools"] == {}


def test_stdio_reloads_where_that_is_asked_for(home: Home) -> None:
    process = subprocess.Popen(
        servers.command("server", "--config", str(home.config), "--reload"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ},
        text=True,
    )
    assert process.stdin
    assert process.stdout

    def say(message: Any) -> None:
        assert process.stdin
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()

    try:
        say(servers.initialize())
        started = json.loads(process.stdout.readline())
        assert started["result"]["capabilities"]["tools"] == {"listChanged": True}
        say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        home.module("other")
        home.write("work", "other")
        assert json.loads(process.stdout.readline())["method"] == "notifications/tools/list_changed"
        say(legacy("tools/list", id=2))
        listed = json.loads(process.stdout.readline())["result"]["tools"]
        assert {tool["name"] for tool in listed} == {"work", "other"}
    finally:
        process.stdin.close()
        assert process.wait(60) == 0
        process.stdout.close()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("runtime: {wasm: {fuel: 5, modules: [{path: x}]}, inline: never, limits: {memory: 1Mi}}", []),
        ("mcp: {tools: [{name: t}]}\nserver: {log_level: debug}", []),
        ("server: {port: 1, bind: '::1'}", ["server.bind", "server.port"]),
        ("runtime: {wasm: {compiler: pulley, cache_dir: x}}", ["runtime.wasm.compiler", "runtime.wasm.cache_dir"]),
        ("transport: {type: http}", ["transport.type"]),
        ("tasks: {store: x}", ["tasks.store"]),
    ],
)
def test_keys_that_a_running_server_can_take_over(text: str, keys: list[str]) -> None:
    assert sorted(needs_restart(Config(), loads(text))) == sorted(keys)
