"""HTTPS: ciphers, client certificates, renewal, and every route under it. # E35"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from servers import ADD_WAT, BOTH, command, modern, modern_headers
from tls import Authority, Pair
from transports import Running, configured, free_port

CALL = modern("tools/call", {"name": "add", "arguments": {"a": 2, "b": 3}})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    issued = authority.issue("server")
    folder = tmp_path_factory.mktemp("server")
    return Pair(Path(shutil.copy(issued.cert, folder / "cert.pem")), Path(shutil.copy(issued.key, folder / "key.pem")))


@pytest.fixture(scope="module")
def server(certificate: Pair) -> Iterator[Running]:
    tls = {"cert_file": str(certificate.cert), "key_file": str(certificate.key)}
    with configured({"type": "websocket", "settings": {"tls": tls, "legacy_sse": True}}) as running:
        yield running


def trusting(authority: Authority, client: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if client is not None:
        context.load_cert_chain(client.cert, client.key)
    return context


def client(server: Running, context: ssl.SSLContext) -> httpx.Client:
    return httpx.Client(base_url=f"https://127.0.0.1:{server.port}", verify=context, trust_env=False)


def call(http: httpx.Client) -> httpx.Response:
    headers = {k: v for k, v in modern_headers("tools/call", "add").items() if v is not None}
    return http.post("/mcp", json=CALL, headers=headers | {"Accept": BOTH})


def test_calls_and_other_routes_on_one_connection(server: Running, authority: Authority) -> None:
    with client(server, trusting(authority)) as http:
        assert call(http).json()["result"]["structuredContent"] == {"result": 5}
        assert http.get("/health").json()["status"] == "ok"
        assert http.get("/").json()["mcp"].startswith("https://")
        assert http.get("/").json()["websocket"].startswith("wss://")
        assert call(http).json()["result"]["structuredContent"] == {"result": 5}
        refused = http.post("/mcp", content=b"{", headers={"Accept": "text/html", "Connection": "close"})
        assert refused.status_code == 406


def test_websockets_under_tls(server: Running, authority: Authority) -> None:
    async def main() -> None:
        url = f"wss://127.0.0.1:{server.port}/ws"
        async with connect(url, ssl=trusting(authority), proxy=None) as connection:
            await connection.send(json.dumps(CALL))
            assert json.loads(await connection.recv())["result"]["structuredContent"] == {"result": 5}

    asyncio.run(main())


def handshake(server: Running, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def test_old_versions_and_weak_ciphers_are_refused(server: Running, authority: Authority) -> None:
    with handshake(server, trusting(authority)) as connection:
        assert connection.version() == "TLSv1.3"
    weak = trusting(authority)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    with handshake(server, weak) as connection:
        assert "ECDHE" in (connection.cipher() or ("",))[0]
    weak.set_ciphers("AES256-SHA:AES128-SHA:ECDHE-ECDSA-AES128-SHA")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(server, weak)


def test_plain_http_gets_nowhere_on_a_tls_port(server: Running) -> None:
    with server.connect() as connection:
        connection.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        assert connection.at_end()


def test_a_large_answer_and_a_broken_request_arrive_whole(server: Running, authority: Authority) -> None:
    with handshake(server, trusting(authority)) as connection:
        connection.sendall(b"POST /mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 421")


def test_client_certificates(certificate: Pair, authority: Authority, tmp_path: Path) -> None:
    tls = {
        "cert_file": str(certificate.cert),
        "key_file": str(certificate.key),
        "ca_file": str(authority.file),
        "verify_client": "required",
    }
    strange = Authority(tmp_path, "Strangers")
    with configured({"type": "http", "settings": {"tls": tls}}) as server:
        with client(server, trusting(authority, authority.issue("robot", client=True))) as http:
            assert call(http).status_code == 200
            assert http.get("/health").status_code == 200
        for nobody in (None, strange.issue("robot", client=True)):
            with pytest.raises(httpx.TransportError), client(server, trusting(authority, nobody)) as http:
                call(http)


def test_a_certificate_says_who_calls(certificate: Pair, authority: Authority) -> None:
    tls = {
        "cert_file": str(certificate.cert),
        "key_file": str(certificate.key),
        "ca_file": str(authority.file),
        "verify_client": "optional",
    }
    security = {"certificates": [{"match": "DNS:robot", "scopes": ["use"]}], "required_scopes": ["use"]}
    settings = {"tls": tls, "access_log": True}

    async def by_websocket(server: Running, who: Pair | None) -> Any:
        url = f"wss://127.0.0.1:{server.port}/ws"
        async with connect(url, ssl=trusting(authority, who), proxy=None) as connection:
            await connection.send(json.dumps(CALL))
            return json.loads(await connection.recv())

    with configured({"type": "websocket", "settings": settings}, security=security) as server:
        robot, stranger = authority.issue("robot", client=True), authority.issue("stranger", client=True)
        with client(server, trusting(authority, robot)) as http:
            assert call(http).status_code == 200
            assert http.get("/health").status_code == 200
            assert call(http).status_code == 200  # on a connection that served another route
        for nobody in (None, stranger):
            with client(server, trusting(authority, nobody)) as http:
                assert call(http).status_code == 401
            with pytest.raises(InvalidStatus, match="401"):
                asyncio.run(by_websocket(server, nobody))
        assert asyncio.run(by_websocket(server, robot))["result"]["structuredContent"] == {"result": 5}
        calls = [json.loads(line) for line in server.lines("mcpkit.access")]
        assert [bool(line.get("principal")) for line in calls if line["message"] == "POST /mcp"] == [1, 1, 0, 0]


def test_certificates_are_renewed_without_a_restart(certificate: Pair, authority: Authority, tmp_path: Path) -> None:
    first, second = authority.issue("server"), authority.issue("server")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def install(pair: Pair) -> None:
        shutil.copy(pair.cert, cert)
        shutil.copy(pair.key, key)

    def serial(server: Running) -> Any:
        with handshake(server, trusting(authority)) as connection:
            return (connection.getpeercert() or {})["serialNumber"]

    def renewed(server: Running, before: Any) -> bool:
        for _ in range(200):
            if serial(server) != before:
                return True
            time.sleep(0.05)
        return False

    install(first)
    tls = {"cert_file": str(cert), "key_file": str(key)}
    with configured({"type": "http", "settings": {"tls": tls}}) as server:
        with client(server, trusting(authority)) as kept:
            assert call(kept).status_code == 200
            before = serial(server)
            install(second)
            assert renewed(server, before)
            assert call(kept).status_code == 200  # a connection that was open stays
        before = serial(server)
        cert.write_text("nonsense")
        for _ in range(200):
            if server.lines("certificates of before stay in use"):
                break
            time.sleep(0.05)
        assert server.lines("certificates of before stay in use")
        assert serial(server) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key_file": "/nowhere/key.pem"}, "there is no file"),
        ({"verify_client": "required"}, "needs ca_file"),
        ({"verify_client": "sometimes"}, "none, optional, required"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    certificate: Pair, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    tls = {"cert_file": str(certificate.cert), "key_file": str(certificate.key)} | change
    assert words in _start(tmp_path, tls)


def test_a_key_of_another_certificate_is_named(certificate: Pair, authority: Authority, tmp_path: Path) -> None:
    other = authority.issue("other")
    said = _start(tmp_path, {"cert_file": str(certificate.cert), "key_file": str(other.key)})
    assert "certificate" in said
    assert str(other.key) in said


def _start(folder: Path, tls: dict[str, str]) -> str:
    """What `mcpkit server` says when it cannot start with these settings."""
    (folder / "add.wat").write_text(ADD_WAT)
    config = folder / "config.json"
    body = {
        "server": {"port": free_port()},
        "transport": {"type": "http", "settings": {"tls": tls}},
        "runtime": {"wasm": {"module_path": "add.wat"}},
    }
    config.write_text(json.dumps(body))
    done = subprocess.run(command("server", "--config", str(config)), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.stderr
