"""Who is let in: tokens judged against a real authorization server, keys, certificates, scopes."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from auth_server import RESOURCE_SERVER, AuthServer, Key, auth_server, encoded, make_key
from mcpkit.config import ConfigError, loads
from mcpkit.config import security as settings
from mcpkit.security import Denied, Granted, Principal, Security
from mcpkit.security.api_keys import new_key
from mcpkit.security.certificates import identities
from mcpkit.security.metadata import discovery_urls, metadata_paths, metadata_url
from mcpkit.security.principals import MARGIN_SECONDS, MAX_GRANTS, PrincipalTable

RESOURCE = "https://tools.example.org/mcp"


@pytest.fixture
def auth() -> Iterator[AuthServer]:
    with auth_server() as running:
        yield running


@dataclass
class Clock:
    """Seconds that pass when told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def config(
    auth: AuthServer | None = None, *, server: dict[str, Any] | None = None, **section: Any
) -> settings.Security:
    """A `security` section as people write it."""
    oauth = section.pop("oauth", {})
    if auth is not None:
        section["oauth"] = {
            "resource": RESOURCE,
            "authorization_servers": [{"issuer": auth.issuer, **(server or {})}],
            **oauth,
        }
    return loads(json.dumps({"security": section}), "c.json").security


def introspection(auth: AuthServer, **more: Any) -> dict[str, Any]:
    client, secret = RESOURCE_SERVER
    endpoint = f"{auth.issuer}/introspect"
    return {"introspection": {"endpoint": endpoint, "client_id": client, "client_secret": secret, **more}}


def bearer(token: str) -> Callable[[str], list[bytes]]:
    """The headers of a request that carries a token."""
    return lambda name: [b"Bearer " + token.encode()] if name == "authorization" else []


def run(security: Security, use: Callable[[Security], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        try:
            return await use(security)
        finally:
            await security.close()

    return asyncio.run(main())


def granted(security: Security, token: str) -> Granted:
    answer: Granted = run(security, lambda s: s.authorize(bearer(token)))
    return answer


async def until_refused(gate: Security, token: str) -> None:
    while True:
        await gate.authorize(bearer(token))
        await asyncio.sleep(0.02)


def refused(security: Security, token: str) -> Denied:
    with pytest.raises(Denied) as error:
        granted(security, token)
    assert token not in str(error.value)
    assert token not in (error.value.www_authenticate or "")
    return error.value


# Signed tokens


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_a_signed_token_lets_its_subject_in(auth: AuthServer, algorithm: str) -> None:
    auth.rotate(algorithm)
    gate = Security(config(auth, server={"algorithms": [algorithm]}))
    principal, seconds = granted(gate, auth.token(RESOURCE, scope="a b"))
    assert principal.id == f"oauth:{auth.issuer}#ada"
    assert principal.scopes == {"a", "b"}
    assert principal.claims["aud"] == RESOURCE
    assert 0 < seconds <= 300


def test_what_is_remembered_ends_with_the_token(auth: AuthServer) -> None:
    assert granted(Security(config(auth)), auth.token(RESOURCE, exp=int(time.time()) + 20)).seconds <= 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": 1_000_000_000}, "the token has expired"),
        ({"exp": None}, "the token has no claim exp"),
        ({"aud": None}, "the token has no claim aud"),
        ({"aud": "https://other.example.org/mcp"}, "the token was issued for another resource"),
        ({"aud": ["https://tools.example.org"]}, "the token was issued for another resource"),
        ({"iss": "https://evil.example.org"}, "the token's issuer is not trusted here"),
        ({"nbf": 99_999_999_999}, "the token is not valid yet"),
        ({"iat": 99_999_999_999}, "the token is not valid yet"),
        ({"sub": None}, "the token names no subject"),
        ({"sub": ""}, "the token names no subject"),
        ({"sub": 7}, "the token is malformed"),
        ({"exp": "soon"}, "the token is malformed"),
        ({"cnf": {"jkt": "x"}}, "the token is bound to a key, of which this server takes no proof"),
    ],
)
def test_a_token_that_is_not_good_here_is_refused(auth: AuthServer, changes: dict[str, Any], reason: str) -> None:
    denied = refused(Security(config(auth)), auth.token(RESOURCE, **changes))
    assert (denied.status, denied.error, denied.message) == (401, "invalid_token", reason)
    assert denied.www_authenticate == (
        f'Bearer error="invalid_token", error_description="{reason}", '
        'resource_metadata="https://tools.example.org/.well-known/oauth-protected-resource/mcp"'
    )


def test_clocks_may_differ_a_little(auth: AuthServer) -> None:
    now = int(time.time())
    answer = granted(Security(config(auth)), auth.token(RESOURCE, exp=now - 5, nbf=now + 5, iat=now + 5))
    assert answer.seconds <= 0, "but then nothing is remembered"


def test_the_audience_may_be_one_of_several_and_may_end_in_a_slash(auth: AuthServer) -> None:
    gate = config(auth, oauth={"audiences": ["mcp-tools"]})
    for audience in (["https://other.example.org", RESOURCE], RESOURCE + "/", "mcp-tools"):
        assert granted(Security(gate), auth.token(RESOURCE, aud=audience)).principal.id.endswith("#ada")


def test_a_client_of_its_own_has_another_name_than_a_user_called_so(auth: AuthServer) -> None:
    gate = Security(config(auth))
    user = auth.token(RESOURCE, sub="robot")
    client = auth.token(RESOURCE, sub=None, client_id="robot")
    assert granted(gate, user).principal.id != granted(Security(config(auth)), client).principal.id


# Signatures


def test_no_signature_is_no_token(auth: AuthServer) -> None:
    for name in ("none", "None", "nOnE", ""):
        token = f"{encoded({'alg': name, 'typ': 'JWT'})}.{encoded(auth.claims(RESOURCE))}."
        assert refused(Security(config(auth)), token + "AA").status == 401
        assert refused(Security(config(auth)), token).status == 401


def test_a_public_key_is_no_shared_secret(auth: AuthServer) -> None:
    """Algorithm confusion: HMAC with the bytes that everybody can fetch."""
    auth.rotate("RS256")
    public = auth.keys[0].private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(auth.keys[0].jwk).encode()):
        token = auth.confused_token(RESOURCE, secret)
        assert refused(Security(config(auth)), token).message == "the token's signature algorithm is not accepted"


def test_symmetric_keys_of_an_issuer_are_never_used(auth: AuthServer) -> None:
    class Shared(Key):
        @property
        def jwk(self) -> dict[str, Any]:
            return {"kty": "oct", "k": urlsafe_b64encode(self.private).decode(), "kid": self.kid}

    auth.keys = [Shared("s", "HS256", secrets.token_bytes(32))]
    assert refused(Security(config(auth)), auth.token(RESOURCE)).status == 401


def test_algorithms_that_are_not_listed_are_refused_whatever_the_key(auth: AuthServer) -> None:
    auth.rotate("ES384")
    denied = refused(Security(config(auth, server={"algorithms": ["ES256"]})), auth.token(RESOURCE))
    assert denied.message == "the token's signature algorithm is not accepted"
    assert auth.seen["/jwks"] == 0


def test_a_key_signs_with_the_algorithm_it_is_published_for(auth: AuthServer) -> None:
    auth.rotate("RS256")
    other = Key(auth.keys[0].kid, "PS256", auth.keys[0].private)
    assert granted(Security(config(auth)), auth.token(RESOURCE)).principal.id.endswith("#ada")
    denied = refused(Security(config(auth)), auth.token(RESOURCE, key=other))
    assert denied.message == "the token is signed with a key that its issuer does not publish"


def test_another_key_under_the_same_name_does_not_pass(auth: AuthServer) -> None:
    forged = Key(auth.keys[0].kid, "ES256", make_key().private)
    assert refused(Security(config(auth)), auth.token(RESOURCE, key=forged)).message == "the token's signature is wrong"


def test_a_changed_claim_does_not_pass(auth: AuthServer) -> None:
    head, _, signature = auth.token(RESOURCE).split(".")
    token = f"{head}.{encoded(auth.claims(RESOURCE, sub='root'))}.{signature}"
    assert refused(Security(config(auth)), token).message == "the token's signature is wrong"


def test_short_keys_are_refused(auth: AuthServer) -> None:
    auth.keys = [Key("short", "RS256", rsa.generate_private_key(65537, 1024))]
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        token = auth.token(RESOURCE)
    assert refused(Security(config(auth)), token).message == "the token is signed with a key that is too weak"


def test_identity_tokens_and_other_kinds_of_jwt_are_no_access_tokens(auth: AuthServer) -> None:
    assert refused(Security(config(auth)), auth.token(RESOURCE, header={"typ": "logout+jwt"})).status == 401


def test_a_token_without_a_key_id_is_tried_with_every_fitting_key(auth: AuthServer) -> None:
    auth.keys = [make_key("RS256"), make_key("ES256"), make_key("ES256")]
    claims, key = auth.claims(RESOURCE), auth.keys[2]
    token = jwt.encode(claims, key.private, "ES256")
    assert granted(Security(config(auth)), token).principal.id.endswith("#ada")


# Keys that rotate, and issuers that are down


def test_rotated_keys_are_fetched_again_but_not_at_every_unknown_name(auth: AuthServer) -> None:
    clock = Clock()
    gate = Security(config(auth, oauth={"keys_cooldown": "30s"}), clock=clock)

    async def use(gate: Security) -> None:
        await gate.authorize(bearer(auth.token(RESOURCE)))
        auth.rotate()
        clock.now += 31
        await gate.authorize(bearer(auth.token(RESOURCE)))
        assert auth.seen["/jwks"] == 2
        for _ in range(5):
            stranger = auth.token(RESOURCE, key=make_key())
            with pytest.raises(Denied, match="does not publish"):
                await gate.authorize(bearer(stranger))
        assert auth.seen["/jwks"] == 2
        clock.now += 31
        with pytest.raises(Denied, match="does not publish"):
            await gate.authorize(bearer(auth.token(RESOURCE, key=make_key())))
        assert auth.seen["/jwks"] == 3

    run(gate, use)


def test_keys_that_are_published_no_longer_stop_counting_when_the_set_is_renewed(auth: AuthServer) -> None:
    clock = Clock()
    gate = Security(config(auth, oauth={"keys_refresh": "10m"}), clock=clock)

    async def use(gate: Security) -> None:
        old = auth.keys[0]
        await gate.authorize(bearer(auth.token(RESOURCE, key=old)))
        auth.rotate()
        clock.now += 601
        with pytest.raises(Denied, match="does not publish"):
            await gate.authorize(bearer(auth.token(RESOURCE, key=old)))

    run(gate, use)


def test_old_keys_count_for_a_while_when_the_issuer_is_down(auth: AuthServer) -> None:
    clock = Clock()
    gate = Security(config(auth, oauth={"keys_refresh": "10m", "keys_stale": "1h"}), clock=clock)

    async def use(gate: Security) -> None:
        await gate.authorize(bearer(auth.token(RESOURCE)))
        auth.down = True
        clock.now += 1800
        await gate.authorize(bearer(auth.token(RESOURCE, jti="2")))
        clock.now += 1801
        with pytest.raises(Denied) as error:
            await gate.authorize(bearer(auth.token(RESOURCE, jti="3")))
        assert (error.value.status, error.value.www_authenticate) == (503, None)
        assert ("retry-after", "5") in error.value.headers
        auth.down = False
        clock.now += 31
        await gate.authorize(bearer(auth.token(RESOURCE, jti="4")))

    run(gate, use)


def test_an_issuer_that_was_never_reached_is_no_reason_to_refuse_for_good(auth: AuthServer) -> None:
    auth.down = True
    denied = refused(Security(config(auth)), auth.token(RESOURCE))
    assert (denied.status, denied.message) == (503, "the token cannot be checked now; try again")


def test_many_requests_with_one_new_token_are_one_question(auth: AuthServer) -> None:
    gate = Security(config(auth, server=introspection(auth)))

    async def use(gate: Security) -> None:
        token = auth.opaque_token(RESOURCE)
        await asyncio.gather(*(gate.authorize(bearer(token)) for _ in range(50)))
        assert auth.seen["/introspect"] == 1
        await asyncio.gather(*(gate.authorize(bearer(auth.token(RESOURCE, jti=str(n)))) for n in range(20)))
        assert auth.seen["/jwks"] == 1

    run(gate, use)


def test_keys_may_have_a_place_of_their_own(auth: AuthServer) -> None:
    gate = Security(config(auth, server={"jwks_uri": f"{auth.issuer}/jwks"}))
    assert granted(gate, auth.token(RESOURCE)).principal.id.endswith("#ada")
    assert set(auth.seen) == {"/jwks"}


# Opaque tokens


def test_opaque_tokens_are_asked_about_and_remembered_for_a_moment(auth: AuthServer) -> None:
    gate = Security(config(auth, server=introspection(auth, cache="200ms")))

    async def use(gate: Security) -> None:
        token = auth.opaque_token(RESOURCE, scope="a b")
        principal, seconds = await gate.authorize(bearer(token))
        assert (principal.id, principal.scopes) == (f"oauth:{auth.issuer}#ada", frozenset("ab"))
        assert 0 < seconds <= 0.2
        await gate.authorize(bearer(token))
        assert auth.seen["/introspect"] == 1
        auth.opaque[token]["active"] = False
        with pytest.raises(Denied, match="the token is not active"):
            await until_refused(gate, token)
        assert auth.seen["/introspect"] == 2

    run(gate, use)


def test_signed_tokens_can_be_asked_about_too_so_that_revocation_counts(auth: AuthServer) -> None:
    gate = config(auth, server=introspection(auth, tokens="all"))
    token = auth.token(RESOURCE)
    assert refused(Security(gate), token).message == "the token is not active"
    auth.opaque[token] = {"active": True, **auth.claims(RESOURCE)}
    assert granted(Security(gate), token).principal.id.endswith("#ada")
    assert auth.seen["/jwks"] == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"active": "true"}, "the token is not active"),
        ({"aud": None}, "the token was issued for another resource"),
        ({"aud": "https://other.example.org"}, "the token was issued for another resource"),
        ({"exp": 1_000_000_000}, "the token has expired"),
        ({"exp": "soon"}, "the token's exp is no number"),
        ({"nbf": 99_999_999_999}, "the token is not valid yet"),
        ({"iss": "https://evil.example.org"}, "the token is another issuer's"),
        ({"token_type": "DPoP"}, "the token is no bearer token"),
        ({"cnf": {"x5t#S256": "x"}}, "the token is bound to a key, of which this server takes no proof"),
        ({"sub": None}, "the token names no subject"),
    ],
)
def test_what_introspection_says_is_checked_as_well(auth: AuthServer, changes: dict[str, Any], reason: str) -> None:
    token = auth.opaque_token(RESOURCE)
    auth.opaque[token] |= changes
    assert refused(Security(config(auth, server=introspection(auth))), token).message == reason


def test_a_refused_introspection_is_the_servers_trouble_not_the_callers(auth: AuthServer) -> None:
    gate = config(auth, server=introspection(auth, client_secret="wrong"))
    assert refused(Security(gate), auth.opaque_token(RESOURCE)).status == 503


def test_without_introspection_only_signed_tokens_mean_anything(auth: AuthServer) -> None:
    for token in ("abc", "a.b.c", "a.b", "....", encoded({}) + ".." + encoded({})):
        denied = refused(Security(config(auth)), token)
        assert (denied.status, denied.error) == (401, "invalid_token")
    assert not auth.seen


def test_each_token_goes_to_its_own_issuer(auth: AuthServer) -> None:
    with auth_server() as second:
        servers = [{"issuer": auth.issuer}, {"issuer": second.issuer, **introspection(second)}]
        section = config(auth, oauth={"authorization_servers": servers})
        assert granted(Security(section), second.token(RESOURCE)).principal.id == f"oauth:{second.issuer}#ada"
        assert granted(Security(section), auth.token(RESOURCE)).principal.id == f"oauth:{auth.issuer}#ada"
        assert granted(Security(section), second.opaque_token(RESOURCE)).principal.id == f"oauth:{second.issuer}#ada"
        stolen = Key(auth.keys[0].kid, "ES256", second.keys[0].private)
        denied = refused(Security(section), second.token(RESOURCE, key=stolen, iss=auth.issuer))
        assert denied.message == "the token's signature is wrong"


# Where the credential may stand


@pytest.mark.parametrize(
    ("values", "status", "error"),
    [
        ([], 401, None),
        ([b""], 401, "invalid_token"),
        ([b"Bearer"], 401, "invalid_token"),
        ([b"Bearer "], 401, "invalid_token"),
        ([b"Basic YTpi"], 401, "invalid_token"),
        ([b"Bearer a b"], 401, "invalid_token"),
        ([b"Bearer a,Bearer b"], 401, "invalid_token"),
        ([b"Bearer \xff\xfe"], 401, "invalid_token"),
        ([b"Bearer a\r\nx: y"], 401, "invalid_token"),
        ([b"Bearer " + b"a" * 20_000], 401, "invalid_token"),
        ([b"Bearer a", b"Bearer b"], 401, "invalid_token"),
    ],
)
def test_only_one_authorization_header_counts(values: list[bytes], status: int, error: str | None) -> None:
    gate = Security(config(api_keys=[{"name": "k", "hash": new_key().hash}]))
    with pytest.raises(Denied) as denied:
        run(gate, lambda s: s.authorize(lambda _: values))
    assert (denied.value.status, denied.value.error) == (status, error)
    assert (denied.value.www_authenticate or "").startswith("Bearer")


def test_a_request_without_a_credential_is_told_where_to_get_one(auth: AuthServer) -> None:
    gate = Security(config(auth, required_scopes=["tools:call", "more"]))
    with pytest.raises(Denied) as denied:
        run(gate, lambda s: s.authorize(lambda _: []))
    assert denied.value.www_authenticate == (
        'Bearer scope="tools:call more", '
        'resource_metadata="https://tools.example.org/.well-known/oauth-protected-resource/mcp"'
    )
    assert json.loads(denied.value.body)["error"] == "unauthorized"


# API keys


def test_an_api_key_lets_its_owner_in() -> None:
    made = [new_key() for _ in range(3)]
    entries = [{"name": f"k{n}", "hash": key.hash, "scopes": [f"s{n}"]} for n, key in enumerate(made)]
    gate = config(api_keys=entries)
    for n, key in enumerate(made):
        principal, seconds = granted(Security(gate), key.key)
        assert (principal.id, principal.scopes) == (f"key:k{n}", frozenset({f"s{n}"}))
        assert seconds > 0
        assert key.key not in key.hash
        assert key.key not in repr(key)
    for wrong in (new_key().key, made[0].key[:-1], made[0].key + "A", "mcpkit_", made[0].hash.rpartition(":")[2]):
        assert refused(Security(gate), wrong).status == 401


def test_the_command_makes_a_key_that_works(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mcpkit", "key", "new", "über: [ci]", "--scope", "a", "--scope", "b"]
    made = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", check=True)
    file = tmp_path / "config.yaml"
    file.write_text(made.stderr.partition("\n\n")[2], encoding="utf-8")
    key = made.stdout.strip()
    assert key not in made.stderr
    principal = granted(Security(loads(file.read_text("utf-8")).security), key).principal
    assert (principal.id, principal.scopes) == ("key:über: [ci]", frozenset("ab"))
    as_json = subprocess.run([*words, "--json"], capture_output=True, text=True, encoding="utf-8", check=True)
    assert json.loads(as_json.stdout)["entry"]["scopes"] == ["a", "b"]
    bad = subprocess.run([*words, "--scope", "a b"], capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "'a b' is no scope" in bad.stderr


# Client certificates

PEER = {
    "subject": ((("organizationName", "Acme"),), (("commonName", "edge-7"),)),
    "subjectAltName": (
        ("DNS", "edge-7.example.org"),
        ("URI", "spiffe://example.org/edge/7"),
        ("IP Address", "10.0.0.7"),
    ),
}


def test_a_certificate_is_known_by_its_names() -> None:
    assert list(identities(PEER)) == [
        "DNS:edge-7.example.org",
        "URI:spiffe://example.org/edge/7",
        "IP:10.0.0.7",
        "CN:edge-7",
    ]
    for match, name in (
        ("CN:edge-7", "CN:edge-7"),
        ("URI:spiffe://example.org/edge/*", "URI:spiffe://example.org/edge/7"),
        ("DNS:*.example.org", "DNS:edge-7.example.org"),
        ("IP:10.0.0.7", "IP:10.0.0.7"),
    ):
        gate = Security(config(certificates=[{"match": "CN:other"}, {"match": match, "scopes": ["a"]}]))
        assert gate.identify(PEER) == Principal(f"cert:{name}", frozenset({"a"}))
    for match in ("CN:edge", "CN:Edge-7", "DNS:edge-7", "DNS:edge-?.example.org", "URI:*.example.org", "CN:*8"):
        assert Security(config(certificates=[{"match": match}])).identify(PEER) is None
    assert Security(config(certificates=[{"match": "CN:*"}])).identify({}) is None
    assert Security(config(certificates=[{"match": "CN:*"}])).identify(None) is None


def test_a_certificate_without_the_required_scopes_lets_nobody_in() -> None:
    section: dict[str, Any] = {"required_scopes": ["use"], "certificates": [{"match": "CN:edge-7"}]}
    assert Security(config(**section)).identify(PEER) is None
    section["certificates"] = [{"match": "CN:edge-7", "scopes": ["use"]}]
    assert Security(config(**section)).identify(PEER) is not None


# Scopes


def test_scopes_are_needed_by_the_server_and_by_single_tools(auth: AuthServer) -> None:
    section = config(
        auth,
        required_scopes=["use"],
        tool_scopes=[
            {"tools": "calculator/*", "scopes": ["calc"]},
            {"tools": "*/div*", "scopes": ["danger", "calc"]},
        ],
        scope_hierarchy=[
            {"scope": "admin", "includes": ["use", "everything"]},
            {"scope": "everything", "includes": ["calc", "danger", "admin"]},
        ],
    )
    gate = Security(section)
    assert gate.scopes_for("text/count") == ()
    assert gate.scopes_for("calculator/add") == ("calc",)
    assert gate.scopes_for("calculator/divide") == ("calc", "danger")
    assert gate.scopes_for("calculator2/add") == ()

    async def use(gate: Security) -> None:
        with pytest.raises(Denied) as denied:
            await gate.authorize(bearer(auth.token(RESOURCE, scope="calc")))
        assert (denied.value.status, denied.value.error) == (403, "insufficient_scope")
        assert denied.value.www_authenticate == (
            'Bearer error="insufficient_scope", scope="use", '
            'resource_metadata="https://tools.example.org/.well-known/oauth-protected-resource/mcp"'
        )
        user = (await gate.authorize(bearer(auth.token(RESOURCE, scope="use calc")))).principal
        gate.require(user, "text/count")
        gate.require(user, "calculator/add")
        with pytest.raises(Denied) as denied:
            gate.require(user, "calculator/divide")
        assert denied.value.status == 403
        assert 'scope="use calc danger"' in (denied.value.www_authenticate or "")
        admin = (await gate.authorize(bearer(auth.token(RESOURCE, scp=["admin"])))).principal
        gate.require(admin, "calculator/divide")
        with pytest.raises(Denied) as denied:
            gate.require(None, "text/count")
        assert denied.value.status == 401

    run(gate, use)


# Callers by number


def test_a_number_tells_who_and_with_what() -> None:
    gate = Security(config(api_keys=[{"name": "k", "hash": new_key().hash}]))
    ada, bob = Principal("ada", frozenset({"a"})), Principal("bob", frozenset({"a"}))
    wide = Principal("ada", frozenset({"a", "b"}), {"jti": "1"})
    first, second, third = map(gate.principal_number, (ada, bob, wide))
    assert len({first, second, third}) == 3
    assert first >> 8 == third >> 8 != second >> 8
    assert min(first, second, third) > 0
    assert max(first, second, third) < 1 << 32
    assert gate.principal(first) == ada
    assert gate.principal(third) == wide
    assert gate.principal(0) is None
    assert gate.principal(first + 1000) is None
    assert [gate.caller(number) for number in (first, second, third, 0)] == ["ada", "bob", "ada", ""]
    assert gate.principal_number(Principal("ada", wide.scopes, {"jti": "2"})) == third, "a token renewed"
    assert gate.principal_number(Principal("ada", wide.scopes, {"tenant": "x"})) not in {first, third}


def test_the_table_is_bounded_and_gives_no_number_away_that_is_in_use() -> None:
    clock = Clock()
    table = PrincipalTable(clock, max_owners=3)
    numbers = {name: table.number(Principal(name), 10) for name in "abc"}
    assert table.number(Principal("d"), 10) is None
    clock.now += 5
    assert table.number(Principal("a"), 100) == numbers["a"]
    clock.now += 6 + MARGIN_SECONDS
    fourth = table.number(Principal("d"), 10)
    assert fourth is not None
    assert fourth not in numbers.values()
    assert len(table) == 3
    assert table.principal(numbers["b"] or 0) is None, "b was used longest ago"
    assert table.principal(numbers["a"] or 0) == Principal("a")
    for n in range(1, MAX_GRANTS):
        assert table.number(Principal("a", frozenset({str(n)})), 10) is not None
    assert table.number(Principal("a", frozenset({"one more"})), 10) is None
    clock.now += 11 + MARGIN_SECONDS
    assert table.number(Principal("a", frozenset({"one more"})), 10) is not None
    assert table.principal(numbers["a"] or 0) == Principal("a"), "which is good for longer"


# What clients read


def test_the_metadata_document(auth: AuthServer) -> None:
    gate = Security(config(auth, required_scopes=["use"]), name="my tools")
    assert json.loads(gate.public_metadata() or b"") == {
        "resource": RESOURCE,
        "authorization_servers": [auth.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["use"],
        "resource_name": "my tools",
    }
    root = "/.well-known/oauth-protected-resource"
    assert gate.metadata_paths == (root, f"{root}/mcp")
    assert Security(config(api_keys=[{"name": "k", "hash": new_key().hash}])).public_metadata() is None


def test_well_known_places() -> None:
    root = "/.well-known/oauth-protected-resource"
    assert metadata_url("https://a.example") == f"https://a.example{root}"
    assert metadata_url("https://a.example/") == f"https://a.example{root}"
    assert metadata_url("https://a.example:8443/x/mcp") == f"https://a.example:8443{root}/x/mcp"
    assert metadata_paths("https://a.example/x/mcp", "/mcp") == (root, f"{root}/mcp", f"{root}/x/mcp")
    assert discovery_urls("https://a.example/t/1") == (
        "https://a.example/.well-known/oauth-authorization-server/t/1",
        "https://a.example/t/1/.well-known/openid-configuration",
    )


# Configuration


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("security: {}", "security: lets everybody in: configure oauth, api_keys or certificates"),
        ("security: {required_scopes: [a]}", "security: lets everybody in"),
        ("security: {oauth: }", "security: lets everybody in"),
        ("security: {oauth: {resource: 'https://a.example'}}", "security.oauth.authorization_servers: is missing"),
        (
            "security: {oauth: {resource: 'http://a.example', authorization_servers: [{issuer: 'https://i.example'}]}}",
            "security.oauth.resource: must be an https URL (http only for this machine)",
        ),
        (
            "security: {oauth: {resource: 'https://a.example', authorization_servers: [{issuer: 'https://i.example?x'}]}}",
            "security.oauth.authorization_servers[0].issuer: must be an https URL",
        ),
        (
            "security: {oauth: {resource: 'https://a.example', authorization_servers: []}}",
            "security.oauth.authorization_servers: must name at least one server",
        ),
        (
            "security: {oauth: {resource: 'https://a.example', authorization_servers: "
            "[{issuer: 'https://i.example', algorithms: [HS256]}]}}",
            "'HS256' is none of the choices",
        ),
        (
            "security: {api_keys: [{name: a, hash: mcpkit_abc}]}",
            "security.api_keys[0].hash: must be sha256:SALT:DIGEST",
        ),
        ("security: {certificates: [{match: edge}]}", "security.certificates[0].match: must be CN:, DNS:, URI:"),
        ("security: {required_scopes: ['a b']}", "security.required_scopes[0]: must be printable ASCII"),
        ("security: {oauth: {token: x}}", "security.oauth.token: unknown key"),
    ],
)
def test_a_configuration_that_protects_nothing_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as error:
        loads(text)
    assert fault in str(error.value)
    assert "mcpkit_abc" not in str(error.value)


def test_nothing_configured_means_nobody_is_asked() -> None:
    assert Security.from_config(loads("").security) is None


def test_secrets_are_not_shown(auth: AuthServer) -> None:
    assert RESOURCE_SERVER[1] not in repr(config(auth, server=introspection(auth)))


def test_addresses_of_authorization_servers_are_https_or_local() -> None:
    for url in ("https://a.example/x", "http://127.0.0.1:1/x", "http://[::1]/x", "http://localhost"):
        assert settings.is_secure_url(url), url
    for url in (
        "http://a.example",
        "http://127.0.0.1.example",
        "http://localhost.example",
        "https://user@a.example",
        "https://a.example#x",
        "https://",
        "ftp://a.example",
        "//a.example",
        'https://a.example/"',
        "https://a.example/ x",
        "https://a.example:99999/",
        "https://[::1/",
        "",
    ):
        assert not settings.is_secure_url(url), url


# The log


def test_no_part_of_a_credential_is_logged(auth: AuthServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    gate = Security(config(auth, server=introspection(auth), api_keys=[{"name": "k", "hash": new_key().hash}]))
    tokens = [
        auth.token(RESOURCE),
        auth.token(RESOURCE, exp=1),
        auth.token(RESOURCE, key=make_key()),
        auth.opaque_token(RESOURCE),
        auth.opaque_token(RESOURCE, aud="x"),
        new_key().key,
        "not-a-token",
        "e30.e30.e30",
    ]

    async def use(gate: Security) -> None:
        await asyncio.gather(*(gate.authorize(bearer(token)) for token in tokens), return_exceptions=True)
        auth.down = True
        await asyncio.gather(gate.authorize(bearer("another-token")), return_exceptions=True)

    run(gate, use)
    text = caplog.text
    assert "could not be checked" in text, "something was logged"
    for token in [*tokens, "another-token", RESOURCE_SERVER[1]]:
        assert token not in text
        assert all(piece not in text for piece in token.split(".") if len(piece) > 12)


def test_libraries_for_tokens_are_not_loaded_where_nobody_needs_them() -> None:
    program = "import sys, mcpkit.security; print([m for m in ('jwt', 'httpx', 'cryptography') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_https_to_an_issuer_is_verified(auth: AuthServer) -> None:
    """A TLS listener that nobody vouches for is not believed."""
    section = config(auth, server={"jwks_uri": f"https://127.0.0.1:{auth.port}/jwks"})
    assert refused(Security(section), auth.token(RESOURCE)).status == 503
