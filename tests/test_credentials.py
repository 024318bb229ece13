"""Credentials for guests: where they come from, who gets them, and that nobody else sees them."""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import keyring
import pytest
from keyring.backend import KeyringBackend

import guests
from mcpkit.cli import logs
from mcpkit.config.credentials import Credential, problems
from mcpkit.security.credentials import CredentialError, Vault, Wanted, variable_of
from mcpkit.security.secrets import Secret, hide, redacted
from servers import HttpServer, command, http_server


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("from-a-file\n")
    return path


# ---- sources ----


def test_from_the_environment_and_from_files(key_file: Path) -> None:
    vault = Vault(
        [
            Credential(name="weather-key", env="W"),
            Credential(name="git", type="bearer", file=key_file),
            Credential(name="db", type="basic", username="ann", env="PASSWORD"),
        ],
        environ={"W": "from-a-variable", "PASSWORD": "pa ss"},
    )
    wanted = [Wanted("weather-key"), Wanted("git", "GITHUB_TOKEN"), Wanted("db"), Wanted("absent", required=False)]
    assert vault.variables(wanted, "weather") == [
        ("WEATHER_KEY", "from-a-variable"),
        ("GITHUB_TOKEN", "from-a-file"),
        ("DB_USERNAME", "ann"),
        ("DB_PASSWORD", "pa ss"),
    ]
    assert vault.expires_in() is None


def test_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    class InMemory(KeyringBackend):
        priority = 1

        def __init__(self) -> None:
            self.kept = {("mcpkit/ci", "bot"): "from-the-keyring"}

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

    monkeypatch.setattr(keyring.core, "_keyring_backend", InMemory())
    vault = Vault([Credential(name="a", keyring="mcpkit/ci/bot"), Credential(name="b", keyring="mcpkit/ci/nobody")])
    assert vault.variables([Wanted("a")], "m") == [("A", "from-the-keyring")]
    with pytest.raises(CredentialError, match="keyring set mcpkit/ci nobody"):
        vault.variables([Wanted("b")], "m")


@pytest.mark.parametrize(
    ("source", "content", "says"),
    [
        ({"env": "NOT_SET"}, "", "NOT_SET is not set"),
        ({"env": "EMPTY"}, "", "EMPTY is empty"),
        ({"file": Path("nothere")}, "", "nothere: No such file"),
        ({"file": Path("it")}, "", "is empty"),
        ({"file": Path("it")}, "a\0b", "is no text"),
        ({"file": Path("it")}, "x" * 70_000, "is no text"),
    ],
)
def test_what_is_wrong_with_a_source_is_said_and_never_its_value(
    tmp_path: Path, source: dict[str, Any], content: str, says: str
) -> None:
    if "file" in source:
        (tmp_path / "it").write_text(content)
        source = {"file": tmp_path / source["file"]}
    vault = Vault([Credential(name="k", **source)], environ={"EMPTY": ""})
    with pytest.raises(CredentialError, match=says) as error:
        vault.variables([Wanted("k")], "m")
    assert "credential 'k'" in str(error.value)
    assert not content or content not in str(error.value)


def test_files_that_anybody_may_write_are_refused(key_file: Path) -> None:
    key_file.chmod(0o666)
    with pytest.raises(CredentialError, match="chmod o-w"):
        Vault([Credential(name="k", file=key_file)]).variables([Wanted("k")], "m")


def test_what_is_declared_and_not_configured_is_named() -> None:
    vault = Vault([Credential(name="other", env="X")])
    with pytest.raises(CredentialError, match=r"weather needs the credential 'key'.*there are: other"):
        vault.variables([Wanted("key")], "weather")


def test_a_credential_has_one_source_and_what_its_type_needs() -> None:
    wrong = (
        Credential(name="a"),
        Credential(name="a", env="X", file=Path("y")),
        Credential(name="c", env="X", type="basic"),
        Credential(name="d", env="X", token_url="https://x/"),
        Credential(name="e", env="X", type="oauth2", client_id="i"),
        Credential(name="f", env="X", type="oauth2", client_id="i", token_url="http://example.org/token"),
        Credential(name="g", keyring="no-slash"),
    )
    assert {key.removeprefix("credentials")[:3] for key, _ in problems(wrong)} == {f"[{i}]" for i in range(7)}
    right = Credential(name="f", env="X", type="oauth2", client_id="i", token_url="http://127.0.0.1:9/token")
    assert list(problems((right,))) == []


def test_variables_are_names_in_capitals() -> None:
    assert variable_of("weather-key.2") == "WEATHER_KEY_2"


# ---- OAuth 2 client credentials ----


class Authority:
    """A token endpoint: what it was asked, and what it is to answer."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[tuple[int, Any]] = []
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                scheme, _, pair = self.headers["authorization"].partition(" ")
                client, _, secret = base64.b64decode(pair).decode().partition(":")
                authority.asked.append(
                    {"scheme": scheme, "client": unquote(client), "secret": unquote(secret), **parse_qs(body)}
                )
                number = len(authority.asked)
                status, answer = (
                    authority.answers.pop(0)
                    if authority.answers
                    else (200, {"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": 100})
                )
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/token"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def credential(self) -> Credential:
        return Credential(
            name="crm", type="oauth2", env="S", token_url=self.url, client_id="me:1", scopes=("read", "write")
        )


@pytest.fixture
def authority() -> Iterator[Authority]:
    made = Authority()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_tokens_are_had_and_had_again_before_they_expire(authority: Authority) -> None:
    clock = Clock()
    vault = Vault([authority.credential()], environ={"S": "s3cr+t/"}, clock=clock)
    assert vault.variables([Wanted("crm")], "m") == [("CRM", "token-1")]
    assert vault.variables([Wanted("crm")], "n") == [("CRM", "token-1")]
    assert authority.asked == [
        {
            "scheme": "Basic",
            "client": "me:1",
            "secret": "s3cr+t/",
            "grant_type": ["client_credentials"],
            "scope": ["read write"],
        }
    ]
    assert vault.expires_in() == 80
    clock.now = 79
    assert not vault.refresh()
    clock.now = 80
    assert vault.refresh()
    assert vault.variables([Wanted("crm")], "m") == [("CRM", "token-2")]


def test_a_refresh_that_fails_is_tried_again_with_the_old_token_in_use(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    vault = Vault([authority.credential()], environ={"S": "topsecret"}, clock=clock)
    vault.variables([Wanted("crm")], "m")
    clock.now = 81
    authority.answers = [(503, {"error": "temporarily_unavailable"})]
    assert not vault.refresh()
    assert "answered 503 (temporarily_unavailable)" in caplog.text
    assert vault.variables([Wanted("crm")], "m") == [("CRM", "token-1")]
    assert vault.expires_in() == 30
    clock.now += 30
    assert vault.refresh()


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (401, {"error": "invalid_client"}, r"answered 401 \(invalid_client\)"),
        (302, {}, "answered 302"),
        (200, [], "answered 200"),
        (200, {"access_token": 7}, "without a usable token"),
        (200, {"access_token": "x", "expires_in": "soon"}, "without a usable token"),
        (200, {"access_token": "x" * (2 << 20)}, "more than"),
    ],
)
def test_answers_that_are_no_tokens(authority: Authority, status: int, answer: Any, says: str) -> None:
    authority.answers = [(status, answer)]
    with pytest.raises(CredentialError, match=says) as error:
        Vault([authority.credential()], environ={"S": "topsecret"}).variables([Wanted("crm")], "m")
    assert "topsecret" not in str(error.value)


# ---- nobody else sees them ----


def test_secrets_do_not_show_themselves() -> None:
    secret = Secret("hunter2hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {json.dumps({'a': secret}, default=str)}"
    assert secret.reveal() == "hunter2hunter2"


def test_log_lines_hide_them_in_every_form() -> None:
    hide(["s3cr+t/value", "abc", 'pä"ssword'])
    record = logging.LogRecord("x", logging.INFO, "f", 1, "got %s", ('pä"ssword',), None)
    assert "ssword" not in logs.JsonFormatter().format(record)
    assert redacted("key s3cr+t/value, in a URL s3cr%2Bt%2Fvalue, short abc") == "key ***, in a URL ***, short abc"
    for formatter in (logs.TextFormatter(), logs.JsonFormatter()):
        try:
            raise ValueError("with s3cr+t/value inside")
        except ValueError as error:
            told = (type(error), error, None)
            record = logging.LogRecord("x", logging.INFO, "f", 1, "got %s", ("s3cr+t/value",), told)
        record.url = "https://x/?k=s3cr%2Bt%2Fvalue"
        line = formatter.format(record)
        assert "s3cr" not in line
        assert line.count("***") == 3


# ---- guests ----

MANIFEST = {
    "name": "environ",
    "wasm_module": "environ.wasm",
    "credentials": [
        {"name": "weather-key", "type": "api_key", "env_var": "WEATHER", "required": True},
        {"name": "nice-to-have", "type": "bearer_token", "required": False},
    ],
}


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A guest that prints its variables, beside a manifest."""
    for folder in ("declares", "does-not"):
        (tmp_path / folder).mkdir()
        shutil.copyfile(guests.build("environ"), tmp_path / folder / "environ.wasm")
    (tmp_path / "declares" / "manifest.json").write_text(json.dumps(MANIFEST))
    return tmp_path


def environment(server: HttpServer, tool: str) -> Any:
    result = server.call(tool, {}).json["result"]
    assert not result["isError"], result
    return variables(result["content"][0]["text"])


def variables(printed: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in json.loads(printed))


def test_a_guest_is_given_what_it_declares_and_no_other_guest_is(module: Path) -> None:
    config = module / "c.yaml"
    config.write_text("""
runtime: {wasm: {modules: [{path: declares/environ.wasm}, {path: does-not/environ.wasm, name: other}]}}
credentials: [{name: weather-key, env: THE_KEY}, {name: unused, env: ANOTHER}]
""")
    secrets = {"THE_KEY": "sesame-open", "ANOTHER": "never-asked-for"}
    with http_server("--config", str(config), "--log-level", "debug", env=secrets) as server:
        assert environment(server, "environ")["WEATHER"] == "sesame-open"
        other = environment(server, "other")
        assert "sesame-open" not in json.dumps(other)
        log = server.log.read_text()
    assert "sesame-open" not in log
    assert "never-asked-for" not in log


def test_a_module_can_be_given_what_it_does_not_declare(module: Path) -> None:
    config = module / "c.yaml"
    config.write_text("""
runtime:
  wasm:
    modules: [{path: does-not/environ.wasm, credentials: [{name: git, variable: GITHUB_TOKEN}, {name: db}]}]
credentials:
  - {name: git, type: bearer, file: token}
  - {name: db, type: basic, username: ann, env: PW}
""")
    (module / "token").write_text("ghp_sesame\n")
    words = command("call", str(module / "does-not/environ.wasm"), "environ", "{}", "--config", str(config))
    run = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "PW": "pass-word"})
    given = variables(run.stdout)
    assert (given["GITHUB_TOKEN"], given["DB_USERNAME"], given["DB_PASSWORD"]) == ("ghp_sesame", "ann", "pass-word")


def test_a_server_without_what_its_guests_need_says_so(module: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"environ needs the credential 'weather-key', which is not configured"),
        http_server(str(module / "declares/environ.wasm")),
    ):
        pass


def test_tokens_are_refreshed_while_a_server_runs(module: Path, authority: Authority) -> None:
    authority.answers = [
        (200, {"access_token": "first-token", "expires_in": 2}),
        (200, {"access_token": "second-token", "expires_in": 3600}),
    ]
    config = module / "c.yaml"
    config.write_text(f"""
runtime: {{wasm: {{modules: [{{path: does-not/environ.wasm, credentials: [{{name: crm}}]}}]}}}}
credentials: [{{name: crm, type: oauth2, env: S, client_id: me, token_url: "{authority.url}"}}]
""")
    with http_server("--config", str(config), env={"S": "the-client-secret"}) as server:
        assert environment(server, "environ")["CRM"] == "first-token"
        for _ in range(100):
            if environment(server, "environ")["CRM"] == "second-token":
                break
            time.sleep(0.1)
        else:
            pytest.fail("the token is still the first")
    assert len(authority.asked) == 2
