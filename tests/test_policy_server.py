"""A running server under a policy: lists leave out what is denied, calls of it are refused and written down."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import guests
from mcpkit.application import Application
from mcpkit.config import loads, loads_policy
from mcpkit.mcp.guard import Guard
from mcpkit.policy import Evaluator, PolicyError
from mcpkit.transport import asgi_app
from servers import ADD_WAT, BOTH, HttpServer, command, http_server, initialize, legacy, modern, modern_headers

CONFIG = """\
runtime:
  wasm:
    modules:
      - {name: calculator, path: add.wat}
policy:
  version: "1.0"
  audit: audit.jsonl
  mcp:
    tools:
      allow:
        - name: "calculator/*"
          parameters: {a: {min: 0, max: 1000}}
      deny: ["*/spin"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    (folder / "add.wat").write_text(ADD_WAT)
    (folder / "config.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[HttpServer]:
    with http_server("--config", str(folder / "config.yaml")) as running:
        yield running


def audited(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def test_a_denied_tool_is_not_listed_and_not_run(server: HttpServer, folder: Path) -> None:  # A42, A63
    names = [
        tool["name"] for tool in server.ask(modern("tools/list"), modern_headers("tools/list")).json["result"]["tools"]
    ]
    assert names == ["add"]
    before = len(audited(folder))
    result = server.call("spin", {"n": 1}).json["result"]
    assert result["isError"] is True
    assert result["_meta"]["io.mcpkit/error"] == {"kind": "policy", "rule": "mcp.tools.deny: */spin"}
    assert result["content"][0]["text"] == (
        "the tool 'spin' is not allowed by this server's policy: denied by the rule mcp.tools.deny: */spin"
    )
    (line,) = audited(folder)[before:]
    assert {key: line[key] for key in ("event", "who", "transport", "action", "target", "rule")} == {
        "event": "refused",
        "who": "anonymous",
        "transport": "http",
        "action": "tools/call",
        "target": "spin",
        "rule": "mcp.tools.deny: */spin",
    }
    assert line["place"].endswith("config.yaml:13")
    assert (folder / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_an_older_client_is_refused_in_the_same_way(server: HttpServer) -> None:
    headers = {"Mcp-Session-Id": server.session(), "MCP-Protocol-Version": "2025-11-25"}
    listed = server.ask(legacy("tools/list"), headers).json["result"]["tools"]
    assert [tool["name"] for tool in listed] == ["add"]
    result = server.ask(legacy("tools/call", {"name": "spin", "arguments": {"n": 1}}), headers).json["result"]
    assert result["_meta"]["io.mcpkit/error"]["kind"] == "policy"


def test_arguments_are_checked_before_the_guest_runs_and_never_written_down(server: HttpServer, folder: Path) -> None:
    assert server.call("add", {"a": 2, "b": 3}).json["result"]["structuredContent"] == {"result": 5}  # A63
    result = server.call("add", {"a": 424242, "b": 3}).json["result"]
    assert result["isError"] is True
    assert "io.mcpkit/usage" not in result["_meta"]
    assert result["_meta"]["io.mcpkit/error"] == {"kind": "policy", "rule": "mcp.tools.allow: calculator/*"}
    assert "a: 424242 is greater than the maximum of 1000" in result["content"][0]["text"]
    assert "424242" not in (folder / "audit.jsonl").read_text()


def test_calls_too_many_are_refused_until_the_hour_is_over(folder: Path, tmp_path: Path) -> None:  # A43
    store = f"runtime: {{wasm: {{metering: {{quotas: {{store: {tmp_path}/counts}}}}}}}}\n"
    (tmp_path / "config.yaml").write_text(
        store + "policy: {tools: [{name: add, max_calls_per_hour: 3, parameters: {a: {max: 8}}}]}"
    )
    with http_server("--config", str(tmp_path / "config.yaml"), str(folder / "add.wat")) as server:
        assert server.call("add", {"a": 9, "b": 1}).json["result"]["isError"]  # not counted
        said = [server.call("add", {"a": i, "b": 1}).json["result"] for i in range(8)]
    # An hour may end meanwhile, and only one.
    assert sum("structuredContent" in result for result in said) in range(3, 7)
    refused = [result for result in said if result["isError"]]
    error = refused[0]["_meta"]["io.mcpkit/error"]
    assert (error["kind"], error["scope"], error["quota"], error["limit"]) == ("rate", "tool", "per_hour", 3)


def test_an_unknown_tool_stays_an_unknown_tool(server: HttpServer) -> None:
    assert server.call("nothing", {}).json["error"]["code"] == -32602


def test_a_policys_limits_hold_whatever_flags_say(folder: Path, tmp_path: Path) -> None:  # A41
    (tmp_path / "config.yaml").write_text("policy: {core: {resources: {limits: {fuel: 1M}}}}")
    words = ("--config", str(tmp_path / "config.yaml"), str(folder / "add.wat"), "--max-compute-units", "50M")
    with http_server(*words) as server:
        meta = server.call("spin", {"n": 1}).json["result"]["_meta"]
    assert meta["io.mcpkit/error"]["kind"] == "out_of_units"
    assert meta["io.mcpkit/usage"]["computeUnits"] == 1_000_000


def test_calls_of_what_is_allowed_without_conditions_never_leave_the_core(folder: Path) -> None:
    def table(rules: str) -> dict[str, bool]:
        wasm = "{module_path: add.wat, metering: {quotas: {store: counts}}}"
        config = loads(f"{{runtime: {{wasm: {wasm}}}, policy: {{tools: {rules}}}}}", folder=folder)
        with Application(config) as app:
            return {name: tool is not None for name, tool in app.tools.items()}

    assert table("['add/*']") == {"add": True, "spin": True}
    assert table("[{name: add, max_calls_per_minute: 9}]") == {"add": True, "spin": False}
    assert table("[{name: 'add/*', parameters: {a: {max: 1}}}]") == {"add": False, "spin": False}


def test_guests_see_the_variables_that_rules_allow_and_no_others(tmp_path: Path) -> None:  # A63
    module = guests.build("environ")
    config = tmp_path / "config.yaml"
    config.write_text("policy: {core: {environment: {allow: ['MCPKIT_TEST_*'], deny: ['*_PASSWORD']}}}")
    env = {"MCPKIT_TEST_URL": "u", "MCPKIT_TEST_PASSWORD": "secret", "OTHER": "x"}
    with http_server("--config", str(config), str(module), env=env) as server:
        seen = json.loads(server.call("environ", {}).json["result"]["content"][0]["text"])
    assert seen == ["MCPKIT_TEST_URL=u"]
    done = subprocess.run(
        command("call", str(module), "environ", "--config", str(config)),
        capture_output=True,
        timeout=60,
        env={**os.environ, **env},
    )
    assert json.loads(done.stdout) == seen
    with http_server(str(module), env=env) as server:  # without a policy: none
        assert server.call("environ", {}).json["result"]["content"][0]["text"] == "[]"


FOLDERS = """\
policy:
  core:
    storage:
      allow:
        - {uri: "in/**"}
        - {uri: "out/**", access: [read, write, create, delete]}
      deny: [DENY]
"""


def test_guests_open_the_folders_that_rules_allow_and_no_others(tmp_path: Path) -> None:  # A63
    for name in ("in", "out", "private"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(name)
    config = tmp_path / "config.yaml"
    config.write_text(FOLDERS.replace("DENY", "private/**"))
    with http_server("--config", str(config), str(guests.build("files"))) as server:

        def does(op: str, path: str) -> str:
            result = server.call("files", {"op": op, "path": f"{tmp_path}/{path}", "to": ""}).json["result"]
            return str(result["content"][0]["text"])

        assert does("read", "in/a.txt") == "in"
        assert "errno" in does("write", "in/a.txt")
        assert "errno" in does("read", "private/a.txt")
        assert "errno" in does("read", "in/../private/a.txt")
        assert does("write", "out/new") == ""
    assert (tmp_path / "out/new").read_text() == "written"


def test_a_server_does_not_start_with_rules_that_it_cannot_hold_its_guests_to(folder: Path, tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(FOLDERS.replace("DENY", '"in/**/*.key"'))
    for words in (["server"], ["call"]):
        files = str(guests.build("opens_p2"))
        more = ["opens_p2", "{}"] if words == ["call"] else []
        done = subprocess.run(
            command(*words, files, *more, "--config", str(config)), input=b"", capture_output=True, timeout=60
        )
        assert done.returncode == 8
        assert f"opens_p2: the policy denies {tmp_path}/in/**/*.key inside {tmp_path}/in".encode() in done.stderr
    # A guest without any means to open files may be served all the same.
    with http_server("--config", str(config), str(folder / "add.wat")) as server:
        assert server.call("add", {"a": 1, "b": 2}).json["result"]["structuredContent"] == {"result": 3}


# What is written in Python


PROGRAM = """
import sys
from mcpkit import Server

server = Server("s", config=sys.argv[1])


@server.tool
def greet(name: str) -> str:
    return f"hello {name}"


@server.tool
def erase(name: str) -> str:
    raise SystemExit("must never run")


@server.prompt
def short(text: str) -> str:
    return text * 2


@server.prompt
def secret() -> str:
    raise SystemExit("must never run")


@server.resource("notes://open")
def opened() -> str:
    return "open"


@server.resource("notes://closed")
def closed() -> str:
    raise SystemExit("must never run")


@server.resource("notes://{name}/text")
def note(name: str) -> str:
    return name


server.run()
"""

NATIVE = """\
policy:
  mcp:
    tools: {allow: [{name: "python/*", parameters: {name: {max_length: 5}}}], deny: [erase]}
    prompts: [{name: short, max_length: 8}]
    resources:
      allow: ["notes://*"]
      deny: ["notes://closed", "notes://closed/*"]
"""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Asks a server over stdio."""
    folder = tmp_path_factory.mktemp("native")
    (folder / "server.py").write_text(PROGRAM)
    (folder / "config.yaml").write_text(NATIVE)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(folder / "server.py"), str(folder / "config.yaml")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdin
    assert process.stdout

    def asks(what: Any, **params: Any) -> Any:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(modern(what, params) if isinstance(what, str) else what) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield asks
    process.stdin.close()
    assert process.wait(20) == 0
    process.stdout.close()
    refusals = [line for line in (folder / "log").read_text().splitlines() if '"event": "refused"' in line]
    assert len(refusals) >= 4
    assert '"who": "stdio"' in refusals[0]


def test_tools_written_in_python(ask: Callable[..., Any]) -> None:  # A63
    assert [tool["name"] for tool in ask("tools/list")["result"]["tools"]] == ["greet"]
    assert ask("tools/call", name="greet", arguments={"name": "Ada"})["result"]["content"][0]["text"] == "hello Ada"
    for name, arguments in (("greet", {"name": "Mallory"}), ("erase", {"name": "x"})):
        result = ask("tools/call", name=name, arguments=arguments)["result"]
        assert (result["isError"], result["_meta"]["io.mcpkit/error"]["kind"]) == (True, "policy")


def test_prompts(ask: Callable[..., Any]) -> None:  # A63
    assert [prompt["name"] for prompt in ask("prompts/list")["result"]["prompts"]] == ["short"]
    assert "result" in ask("prompts/get", name="short", arguments={"text": "abcd"})
    for name, arguments in (("secret", {}), ("short", {"text": "abcde"}), ("short", {"text": "abcdefghi"})):
        error = ask("prompts/get", name=name, arguments=arguments)["error"]
        assert (error["code"], error["data"]["io.mcpkit/error"]["kind"]) == (-32602, "policy"), name
    ref = {"type": "ref/prompt", "name": "secret"}
    assert "policy" in ask("completion/complete", ref=ref, argument={"name": "x", "value": ""})["error"]["message"]


def test_resources(ask: Callable[..., Any]) -> None:  # A63
    assert [one["uri"] for one in ask("resources/list")["result"]["resources"]] == ["notes://open"]
    assert [one["uriTemplate"] for one in ask("resources/templates/list")["result"]["resourceTemplates"]]
    assert ask("resources/read", uri="notes://open")["result"]["contents"][0]["text"] == "open"
    assert ask("resources/read", uri="notes://a/text")["result"]["contents"][0]["text"] == "a"
    for uri in ("notes://closed", "notes://closed/text", "notes://%63losed/text", "other://x"):
        error = ask("resources/read", uri=uri)["error"]
        assert error["data"]["io.mcpkit/error"]["kind"] == "policy", uri


def test_subscriptions(ask: Callable[..., Any]) -> None:
    assert "result" in ask(initialize())
    assert ask(legacy("resources/subscribe", {"uri": "notes://open"}))["result"] == {}
    error = ask(legacy("resources/subscribe", {"uri": "notes://closed"}))["error"]
    assert error["data"]["io.mcpkit/error"]["kind"] == "policy"


def test_skills_are_shown_where_they_may_be_read() -> None:
    skills = {"skill://open/SKILL.md": 1, "skill://closed/SKILL.md": 2}
    policy = Evaluator(loads_policy("mcp: {resources: {allow: ['skill://*'], deny: ['skill://closed/*']}}"))
    seen = Guard(policy).visible(skills)
    assert dict(seen) == {"skill://open/SKILL.md": 1}
    assert seen.get("skill://closed/SKILL.md") is None
    skills["skill://new/SKILL.md"] = 3
    assert len(seen) == 2


# Transports


@pytest.mark.parametrize(
    ("rules", "args", "why"),
    [
        ("{http: true}", ["--stdio"], "denied by mcp.transport.stdio, which is not true"),
        ("{stdio: true}", ["--http", "127.0.0.1:0"], "denied by mcp.transport.http, which is not true"),
        (
            "{http: {allowed_hosts: [a.example.org]}}",
            ["--http", "127.0.0.1:0", "--allowed-host", "b.example.org"],
            "denied: 'b.example.org' is not in mcp.transport.http.allowed_hosts",
        ),
    ],
)
def test_a_server_does_not_start_on_a_transport_that_is_not_allowed(
    folder: Path, tmp_path: Path, rules: str, args: list[str], why: str
) -> None:
    (tmp_path / "config.yaml").write_text(f"policy: {{mcp: {{transport: {rules}}}}}")
    words = command("server", "--config", str(tmp_path / "config.yaml"), str(folder / "add.wat"), *args)
    done = subprocess.run(words, input=b"", capture_output=True, timeout=60)
    assert done.returncode == 8
    assert f"config.yaml:1: the policy refuses this transport: {why}" in done.stderr.decode()


def test_stdio_is_served_where_it_is_allowed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("policy: {mcp: {transport: {stdio: true}}}")
    words = command("server", "--config", str(tmp_path / "config.yaml"), str(folder / "add.wat"))
    call = json.dumps(modern("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})) + "\n"
    done = subprocess.run(words, input=call.encode(), capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout)["result"]["structuredContent"] == {"result": 3}


def test_inside_another_application_the_policys_transports_hold_too(folder: Path, tmp_path: Path) -> None:
    module = f"runtime: {{wasm: {{module_path: {folder / 'add.wat'}}}}}\n"
    (tmp_path / "no.yaml").write_text(module + "policy: {mcp: {transport: {stdio: true}}}")
    with pytest.raises(PolicyError, match=r"mcp\.transport\.http"):
        asgi_app(tmp_path / "no.yaml")
    (tmp_path / "yes.yaml").write_text(module + "policy: {mcp: {transport: {http: true}}}")

    async def ask() -> Any:
        app = asgi_app(tmp_path / "yes.yaml")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            answer = await client.post("/mcp", json=initialize(), headers={"Accept": BOTH})
        await app.aclose()
        return answer.json()

    assert asyncio.run(ask())["result"]["capabilities"] == {"tools": {}}


def test_mcpkit_quotas_shows_rates_and_mcpkit_call_counts(folder: Path, tmp_path: Path) -> None:  # A43
    config = tmp_path / "config.yaml"
    config.write_text(
        f"runtime: {{wasm: {{module_path: {folder}/add.wat, metering: {{quotas: {{store: {tmp_path}/counts}}}}}}}}\n"
        "policy: {tools: [{name: add, max_calls_per_hour: 3}]}"
    )
    call = command("call", str(folder / "add.wat"), "add", '{"a": 1, "b": 2}', "--config", str(config))
    codes = [subprocess.run(call, capture_output=True, timeout=60).returncode for _ in range(8)]
    assert set(codes[:3]) == {0}
    assert any(codes)
    shown = subprocess.run(command("quotas", "--config", str(config), "--json"), capture_output=True, timeout=60)
    lines = [line for line in json.loads(shown.stdout) if line["scope"] == "tool"]
    assert [(line["name"], line["kind"], line["limit"]) for line in lines] == [("add/add", "calls", 3)]
