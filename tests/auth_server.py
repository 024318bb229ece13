"""A small authorization server: metadata, registration, code flow with PKCE, signed and opaque tokens, introspection.

It approves whoever asks, and otherwise holds clients to the rules.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

RESOURCE_SERVER = ("mcpkit", "a secret: with/odd characters")
"""Whom introspection is for."""


def encoded(value: Any) -> str:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass
class Key:
    kid: str
    algorithm: str
    private: Any

    @property
    def jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        if self.algorithm == "EdDSA":
            made = OKPAlgorithm.to_jwk(public, as_dict=True)
        elif self.algorithm.startswith("ES"):
            made = ECAlgorithm.to_jwk(public, as_dict=True)
        else:
            made = RSAAlgorithm.to_jwk(public, as_dict=True)
        return {**made, "kid": self.kid, "alg": self.algorithm, "use": "sig"}


def make_key(algorithm: str = "ES256") -> Key:
    curves: dict[str, ec.EllipticCurve] = {
        "ES256": ec.SECP256R1(),
        "ES384": ec.SECP384R1(),
        "ES512": ec.SECP521R1(),
    }
    private: Any
    if algorithm in curves:
        private = ec.generate_private_key(curves[algorithm])
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        private = rsa.generate_private_key(65537, 2048)
    return Key(secrets.token_hex(4), algorithm, private)


@dataclass
class AuthServer:
    """One issuer. `down` makes every request fail; `seen` counts requests by path."""

    port: int = 0
    keys: list[Key] = field(default_factory=lambda: [make_key()])
    down: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    opaque: dict[str, dict[str, Any]] = field(default_factory=dict)
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    issued: list[str] = field(default_factory=list)
    scopes_asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What clients did wrong."""

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def claims(self, audience: str, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {"iss": self.issuer, "sub": "ada", "aud": audience, "iat": now, "exp": now + 600, "scope": ""}
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def token(
        self, audience: str, *, key: Key | None = None, header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A signed token; a claim of None is left out."""
        key = key or self.keys[0]
        headers = {"kid": key.kid, "typ": "at+jwt", **(header or {})}
        token = jwt.encode(self.claims(audience, **changes), key.private, key.algorithm, headers=headers)
        self.issued.append(token)
        return token

    def confused_token(self, audience: str, secret: bytes) -> str:
        """One that is signed by HMAC with bytes that everybody can fetch, such as the public key."""
        signing = f"{encoded({'alg': 'HS256', 'kid': self.keys[0].kid})}.{encoded(self.claims(audience))}"
        signature = hmac.digest(secret, signing.encode(), "sha256")
        return f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def opaque_token(self, audience: str, **changes: Any) -> str:
        """A token that only introspection tells anything about."""
        token = secrets.token_urlsafe(24)
        self.opaque[token] = {"active": True, "token_type": "Bearer", **self.claims(audience, **changes)}
        self.issued.append(token)
        return token

    def rotate(self, algorithm: str = "ES256") -> None:
        """Sign with a new key and publish the old one no longer."""
        self.keys = [make_key(algorithm)]

    # --- what clients ask ---

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "registration_endpoint": f"{self.issuer}/register",
            "introspection_endpoint": f"{self.issuer}/introspect",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def register(self, body: bytes) -> dict[str, Any]:
        client: dict[str, Any] = json.loads(body) | {
            "client_id": secrets.token_hex(8),
            "token_endpoint_auth_method": "none",
        }
        self.clients[client["client_id"]] = client
        return client

    def authorize(self, query: dict[str, str]) -> str | None:
        """Where to send the browser."""
        client = self.clients.get(query.get("client_id", ""))
        if client is None or query.get("redirect_uri") not in client["redirect_uris"]:
            return None
        if query.get("code_challenge_method") != "S256" or not query.get("resource"):
            self.faults.append(f"authorization without PKCE or resource: {sorted(query)}")
            return None
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        self.scopes_asked.append(query.get("scope", ""))
        back = {"code": code, "state": query.get("state", ""), "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def exchange(self, form: dict[str, str]) -> dict[str, Any] | None:
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form.get("grant_type") != "authorization_code":
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        same = all(form.get(name) == asked[name] for name in ("client_id", "redirect_uri", "resource"))
        if challenge != asked["code_challenge"] or not same:
            self.faults.append("a code exchange that does not fit its authorization")
            return None
        scope = asked.get("scope", "")
        token = self.token(asked["resource"], scope=scope, client_id=asked["client_id"])
        return {"access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": scope}

    def introspect(self, authorization: str, form: dict[str, str]) -> dict[str, Any] | None:
        kind, _, pair = authorization.partition(" ")
        client, _, secret = base64.b64decode(pair).decode().partition(":") if kind == "Basic" else ("", "", "")
        if (unquote(client), unquote(secret)) != RESOURCE_SERVER:
            return None
        return self.opaque.get(form.get("token", ""), {"active": False})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    auth: AuthServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.auth.seen[url.path] += 1
        if self.auth.down:
            self.answer(503, {"error": "down"})
        elif url.path == "/.well-known/oauth-authorization-server":
            self.answer(200, self.auth.metadata())
        elif url.path == "/jwks":
            self.answer(200, {"keys": [key.jwk for key in self.auth.keys]})
        elif url.path == "/authorize":
            place = self.auth.authorize({name: values[0] for name, values in parse_qs(url.query).items()})
            self.answer(302 if place else 400, {}, place)
        else:
            self.answer(404, {})

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        self.auth.seen[path] += 1
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        found: dict[str, Any] | None
        if self.auth.down:
            self.answer(503, {"error": "down"})
        elif path == "/register":
            self.answer(201, self.auth.register(body))
        elif path in {"/token", "/introspect"}:
            form = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
            if path == "/token":
                found = self.auth.exchange(form)
            else:
                found = self.auth.introspect(self.headers.get("authorization", ""), form)
            self.answer(401 if path == "/introspect" else 400, {"error": "invalid"}) if found is None else self.answer(
                200, found
            )
        else:
            self.answer(404, {})

    def answer(self, status: int, value: dict[str, Any], location: str | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if location is not None:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: tests look at what came, not at lines."""


@contextmanager
def auth_server() -> Iterator[AuthServer]:
    """One that runs until the block ends."""
    auth = AuthServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"auth": auth}))
    server.daemon_threads = True
    auth.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield auth
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
