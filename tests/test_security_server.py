"""Authorised access to a running server: the official client's OAuth flow, bad tokens, keys, and what the log tells."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from auth_server import RESOURCE_SERVER, AuthServer, auth_server, make_key
from mcpkit.security.api_keys import NewKey, new_key
from servers import (
    ADD_WAT,
    HttpServer,
    Response,
    command,
    http,
    http_server,
    initialize,
    legacy,
    modern,
    modern_headers,
)
from tls import Authority
from transports import configured, free_port

ROBOT = new_key()
WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Guarded:
    """A server that wants tokens of one issuer, or a key; its tool `sum` needs a scope of its own."""

    http: HttpServer
    auth: AuthServer
    resource: str
    robot: NewKey
    secrets: list[str] = field(default_factory=list)

    def call(self, name: str, token: str | None, **more: str | None) -> Response:
        """tools/call of the modern era, with two numbers."""
        message = modern("tools/call", {"name": name, "arguments": {"a": 2, "b": 40}})
        headers = modern_headers("tools/call", name, **more)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.http.ask(message, headers)

    def token(self, **changes: Any) -> str:
        return self.auth.token(self.resource, **{"scope": "tools:use", **changes})

    def get(self, path: str) -> Response:
        return self.http.ask(b"", {"Content-Type": None}, method="GET", path=path)

    def log(self) -> str:
        return self.http.log.read_text()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder: Path = tmp_path_factory.mktemp("guarded")
    (folder / "add.wat").write_text(ADD_WAT)
    (folder / "sum.wat").write_text(ADD_WAT.replace('"add"', '"sum"').replace('"spin"', '"turn"'))
    port = free_port()
    resource = f"http://127.0.0.1:{port}/mcp"
    client, secret = RESOURCE_SERVER
    with auth_server() as auth:
        asked = {
            "endpoint": f"{auth.issuer}/introspect",
            "client_id": client,
            "client_secret": "${SECRET}",
            "cache": "1ms",
        }
        config = {
            "server": {"name": "guarded"},
            "runtime": {"wasm": {"modules": [{"path": "add.wat"}, {"name": "special", "path": "sum.wat"}]}},
            "security": {
                "oauth": {
                    "resource": resource,
                    "authorization_servers": [{"issuer": auth.issuer, "introspection": asked}],
                    "keys_cooldown": "1ms",
                },
                "api_keys": [{"name": "robot", "hash": ROBOT.hash, "scopes": ["tools:use"]}],
                "required_scopes": ["tools:use"],
                "tool_scopes": [{"tools": "special/*", "scopes": ["sum:use"]}],
            },
        }
        file = folder / "config.json"
        file.write_text(json.dumps(config))
        words = ("--http", f"127.0.0.1:{port}", "--config", str(file), "--log-level", "debug")
        with http_server(*words, env={"SECRET": secret}) as http:
            yield Guarded(http, auth, resource, ROBOT)


# The official client


class Memory:
    """Where the client keeps what it was given."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """Follows the authorization URL and remembers where it was sent back to."""

    def __init__(self) -> None:
        self.back: dict[str, str] = {}

    async def open(self, url: str) -> None:
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(url)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        self.back = {name: values[0] for name, values in query.items()}

    async def result(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**self.back)


@asynccontextmanager
async def signed_in(guarded: Guarded, mode: str, memory: Memory) -> Any:
    browser = Browser()
    provider = OAuthClientProvider(
        guarded.http.url,
        OAuthClientMetadata(client_name="test", redirect_uris=["http://127.0.0.1:9/back"]),  # type: ignore[list-item]
        memory,
        browser.open,
        browser.result,
    )
    async with httpx2.AsyncClient(auth=provider, timeout=20) as http:
        transport = streamable_http_client(guarded.http.url, http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=20) as client:
            yield client


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_the_official_client_signs_in_and_steps_up(guarded: Guarded, mode: str) -> None:
    memory = Memory()
    before = len(guarded.auth.scopes_asked)
    async with signed_in(guarded, mode, memory) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"add", "spin", "sum", "turn"}
        result = await client.call_tool("add", {"a": 2, "b": 40})
        assert result.structured_content == {"result": 42}
        assert guarded.auth.scopes_asked[before:] == ["tools:use"]
        special = await client.call_tool("sum", {"a": 3, "b": 4})
        assert special.structured_content == {"result": 7}
        asked = [set(scopes.split()) for scopes in guarded.auth.scopes_asked[before:]]
        assert asked == [{"tools:use"}, {"tools:use", "sum:use"}]
    assert guarded.auth.faults == []


@pytest.mark.anyio
async def test_a_client_that_nobody_vouches_for_stays_outside(guarded: Guarded) -> None:
    with pytest.raises((MCPError, httpx2.HTTPError, ExceptionGroup)):
        async with Client(guarded.http.url, mode="2026-07-28", read_timeout_seconds=20) as client:
            await client.call_tool("add", {"a": 2, "b": 40})


# What a client is told


def test_without_a_token_a_client_learns_where_to_get_one(guarded: Guarded) -> None:
    refused = guarded.call("add", None)
    assert refused.status == 401
    challenge = refused.headers["www-authenticate"]
    found = re.fullmatch(r'Bearer scope="tools:use", resource_metadata="([^"]+)"', challenge)
    assert found, challenge
    assert refused.headers["cache-control"] == "no-store"
    assert refused.json["error"] == "unauthorized"
    place = urlsplit(found[1])
    assert f"{place.scheme}://{place.netloc}/mcp" == guarded.resource
    for path in (place.path, WELL_KNOWN):
        document = guarded.get(path)
        assert document.status == 200
        assert document.headers["content-type"].startswith("application/json")
        assert document.json["resource"] == guarded.resource
        assert document.json["authorization_servers"] == [guarded.auth.issuer]
        assert document.json["scopes_supported"] == ["tools:use"]


def test_a_token_in_the_query_string_is_none(guarded: Guarded) -> None:
    token = guarded.token()
    message = modern("tools/call", {"name": "add", "arguments": {"a": 2, "b": 40}})
    path = f"/mcp?access_token={token}"
    assert guarded.http.ask(message, modern_headers("tools/call", "add"), path=path).status in {401, 404}
    assert token not in guarded.log()


@pytest.mark.parametrize("method", ["initialize", "ping", "tools/list", "server/discover", "nonsense"])
def test_no_method_of_any_era_is_answered_before_it_is_known_who_asks(guarded: Guarded, method: str) -> None:
    assert guarded.http.ask(legacy(method, {})).status == 401
    assert guarded.http.ask(modern(method), modern_headers(method)).status == 401
    assert guarded.http.ask(initialize()).status == 401
    assert guarded.http.ask(b"[]").status == 401
    assert guarded.get("/mcp").status in {401, 406}
    assert guarded.http.ask(b"", {"Mcp-Session-Id": "x"}, method="DELETE").status == 401


# Tokens


def test_a_good_token_is_served_time_and_again_on_one_connection(guarded: Guarded) -> None:
    token = guarded.token()
    request = http(
        modern("tools/call", {"name": "add", "arguments": {"a": 2, "b": 40}}),
        modern_headers("tools/call", "add", Authorization=f"Bearer {token}"),
    )
    with guarded.http.connect() as connection:
        for _ in range(3):
            connection.send(request * 2)
            for _ in range(2):
                assert connection.receive().json["result"]["structuredContent"] == {"result": 42}
        connection.send(request.replace(token.encode(), b"x" * len(token)))
        assert connection.receive().status == 401


def test_tokens_that_are_not_good_here(guarded: Guarded) -> None:
    auth = guarded.auth
    public = json.dumps(auth.keys[0].jwk).encode()
    cases = {
        "the token has expired": guarded.token(exp=1_000_000_000),
        "the token was issued for another resource": guarded.token(aud="https://other.example.org/mcp"),
        "the token's issuer is not trusted here": guarded.token(iss="https://evil.example.org"),
        "the token's signature algorithm is not accepted": auth.confused_token(guarded.resource, public),
        "the token is signed with a key that its issuer does not publish": guarded.token(key=make_key()),
        "the token is not active": "made-up",
        "no key that is known here": new_key().key,
    }
    for reason, token in cases.items():
        refused = guarded.call("add", token)
        assert (refused.status, refused.json["error_description"]) == (401, reason)
        assert f'error="invalid_token", error_description="{reason}"' in refused.headers["www-authenticate"]


def test_keys_rotate_under_a_running_server(guarded: Guarded) -> None:
    assert guarded.call("add", guarded.token()).status == 200
    guarded.auth.rotate("RS256")
    assert guarded.call("add", guarded.token()).status == 200
    guarded.auth.rotate("ES256")
    assert guarded.call("add", guarded.token()).status == 200


def test_a_revoked_token_is_refused(guarded: Guarded) -> None:
    token = guarded.auth.opaque_token(guarded.resource, scope="tools:use")
    assert guarded.call("add", token).status == 200
    guarded.auth.opaque[token]["active"] = False
    status = 200
    while status == 200:  # what was asked before counts for a millisecond
        status = guarded.call("add", token).status
    assert status == 401


def test_an_api_key(guarded: Guarded) -> None:
    assert guarded.call("add", guarded.robot.key).json["result"]["structuredContent"] == {"result": 42}
    assert guarded.call("sum", guarded.robot.key).status == 403


# Scopes and sessions


def test_scopes_that_are_missing_are_all_named(guarded: Guarded) -> None:
    refused = guarded.call("add", guarded.token(scope="other"))
    assert refused.status == 403
    assert 'error="insufficient_scope", scope="tools:use", resource_metadata=' in refused.headers["www-authenticate"]
    for token in (guarded.token(), guarded.token(scope="tools:use other")):
        refused = guarded.call("sum", token)
        assert refused.status == 403
        challenge = refused.headers["www-authenticate"]
        assert 'error="insufficient_scope", scope="tools:use sum:use", resource_metadata=' in challenge
        assert refused.json["error"] == "insufficient_scope"
    allowed = guarded.call("sum", guarded.token(scope="sum:use tools:use"))
    assert allowed.json["result"]["structuredContent"] == {"result": 42}
    assert guarded.call("sum", guarded.token()).status == 403, "one token's scopes are not another's"


def test_a_session_belongs_to_whoever_opened_it(guarded: Guarded) -> None:
    def ask(message: Any, token: str, session: str | None = None) -> Response:
        return guarded.http.ask(message, {"Authorization": f"Bearer {token}", "Mcp-Session-Id": session})

    ada = guarded.token(sub="ada")
    session = ask(initialize(), ada).headers["mcp-session-id"]
    ping = legacy("ping")
    assert ask(ping, ada, session).status == 200
    assert ask(ping, guarded.token(sub="bob"), session).status == 404
    assert ask(ping, guarded.robot.key, session).status == 404
    assert ask(ping, guarded.token(sub="ada", jti="renewed"), session).status == 200
    assert ask(ping, guarded.token(sub="ada", scope="tools:use sum:use"), session).status == 200, "stepped up"


def test_a_batch_is_no_way_around_a_scope(guarded: Guarded) -> None:
    def ask(message: Any, token: str, session: str | None = None) -> Response:
        return guarded.http.ask(message, {"Authorization": f"Bearer {token}", "Mcp-Session-Id": session})

    call = legacy("tools/call", {"name": "sum", "arguments": {"a": 2, "b": 40}}, id=7)
    for scope, served in (("tools:use", False), ("tools:use sum:use", True)):
        token = guarded.token(sub=scope.replace(" ", "+"), scope=scope)
        session = ask(initialize("2025-03-26"), token).headers["mcp-session-id"]
        [answer] = ask([call], token, session).json
        assert answer["id"] == 7
        assert ("result" in answer) is served, answer


def test_scopes_hold_on_a_websocket_too() -> None:
    plain, special = new_key(), new_key()
    security = {
        "api_keys": [
            {"name": "plain", "hash": plain.hash},
            {"name": "special", "hash": special.hash, "scopes": ["sum"]},
        ],
        "tool_scopes": [{"tools": "add/add", "scopes": ["sum"]}],
    }
    call = json.dumps(modern("tools/call", {"name": "add", "arguments": {"a": 2, "b": 40}}))

    async def ask(port: int, key: NewKey | None) -> Any:
        headers = {"Authorization": f"Bearer {key.key}"} if key else {}
        async with connect(f"ws://127.0.0.1:{port}/ws", proxy=None, additional_headers=headers) as connection:
            await connection.send(call)
            return json.loads(await asyncio.wait_for(connection.recv(), 20))

    with configured({"type": "websocket"}, security=security) as server:
        with pytest.raises(InvalidStatus) as refused:
            asyncio.run(ask(server.port, None))
        assert refused.value.response.status_code == 401
        assert asyncio.run(ask(server.port, plain))["error"]["message"] == "more scopes are needed: sum"
        assert asyncio.run(ask(server.port, special))["result"]["structuredContent"] == {"result": 42}


def test_stdio_asks_nobody_for_scopes(tmp_path: Path) -> None:
    (tmp_path / "add.wat").write_text(ADD_WAT)
    security = {
        "api_keys": [{"name": "robot", "hash": ROBOT.hash}],
        "required_scopes": ["use"],
        "tool_scopes": [{"tools": "*", "scopes": ["more"]}],
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"runtime": {"wasm": {"module_path": "add.wat"}}, "security": security}))
    call = json.dumps(modern("tools/call", {"name": "add", "arguments": {"a": 2, "b": 40}})) + "\n"
    done = subprocess.run(
        command("server", "--config", str(file)), input=call, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout)["result"]["structuredContent"] == {"result": 42}


# Client certificates


def test_a_certificate_says_who_calls(tmp_path: Path) -> None:  # E35
    authority = Authority(tmp_path)
    own = authority.issue("server")
    settings = {
        "tls": {
            "cert_file": str(own.cert),
            "key_file": str(own.key),
            "ca_file": str(authority.file),
            "verify_client": "optional",
        }
    }
    robot = new_key()
    security = {
        "certificates": [{"match": "CN:edge-*", "scopes": ["use"]}, {"match": "CN:guest"}],
        "api_keys": [{"name": "robot", "hash": robot.hash, "scopes": ["use"]}],
        "required_scopes": ["use"],
        "tool_scopes": [{"tools": "add/spin", "scopes": ["spin"]}],
    }

    def status(name: str | None, tool: str = "add", key: NewKey | None = None) -> int:
        context = ssl.create_default_context(cafile=str(authority.file))
        if name is not None:
            pair = authority.issue(name, client=True)
            context.load_cert_chain(pair.cert, pair.key)
        message = modern("tools/call", {"name": tool, "arguments": {"a": 2, "b": 40, "n": 1}})
        if tool == "add":
            del message["params"]["arguments"]["n"]
        headers = modern_headers("tools/call", tool, Authorization=f"Bearer {key.key}" if key else None)
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            secured.sendall(http(message, headers))
            return int(secured.recv(65536).split()[1])

    with configured({"type": "http", "settings": settings}, security=security) as server:
        assert status("edge-7") == 200
        assert status("edge-7", "spin") == 403
        assert status("guest") == 401, "it lacks a scope that every request needs"
        assert status("stranger") == 401
        assert status(None) == 401
        assert status("stranger", key=robot) == 200
        assert status(None, key=robot) == 200


# The log


def test_nothing_secret_is_in_the_log(guarded: Guarded) -> None:
    guarded.call("add", None)
    guarded.call("add", guarded.token(exp=1))
    guarded.call("sum", guarded.robot.key)
    log = guarded.log()
    assert "refused with 401" in log
    assert "refused with 403" in log
    secrets = [*guarded.auth.issued, guarded.robot.key, guarded.robot.hash, RESOURCE_SERVER[1], "made-up"]
    for secret in secrets:
        assert secret not in log
        assert all(piece not in log for piece in secret.split(".") if len(piece) > 16)
