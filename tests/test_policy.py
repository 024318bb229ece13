"""The evaluator: what a policy says to every kind of question, held against one that does it slowly and plainly."""

# ruff: noqa: RUF001 -- letters that look like others are what some of these tests are about

from __future__ import annotations

import ipaddress
import itertools
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpkit.config import loads_policy
from mcpkit.config.hosts import Address, HostError, parse_host, special
from mcpkit.policy import Evaluator, PolicyError, Rates


def evaluator(text: str, folder: Path | str = "/work") -> Evaluator:
    return Evaluator(loads_policy(text, "p.yaml", folder=folder))


def flow(data: Any) -> str:
    """Data as JSON, which is YAML."""
    return json.dumps(data)


# Names


def test_tools_are_denied_by_default_once_there_are_rules_about_them() -> None:  # A42, A63
    policy = evaluator("tools: [calculator/*, greet]")
    assert policy.tool("add", "calculator/add").allowed
    assert policy.tool("greet", "hello/greet").allowed
    decision = policy.tool("rm", "shell/rm")
    assert (decision.allowed, decision.why) == (False, "denied: no rule of mcp.tools allows it")
    assert evaluator("version: '1.0'").tool("rm", "shell/rm").allowed  # nothing is said of tools


def test_an_exact_allow_beats_a_denial_with_a_wildcard_and_an_exact_denial_beats_all() -> None:  # A42
    policy = evaluator("mcp: {tools: {allow: [add, sub, 'x*'], deny: ['*', sub]}}")
    assert policy.tool("add", "calculator/add").allowed
    assert policy.tool("sub", "calculator/sub").rule == "mcp.tools.deny: sub"
    decision = policy.tool("xyz", "m/xyz")
    assert (decision.allowed, decision.rule, decision.place) == (False, "mcp.tools.deny: *", "p.yaml:1")


def test_a_denial_means_a_tool_under_its_own_name_however_clashes_renamed_it() -> None:
    policy = evaluator("mcp: {tools: {allow: ['*'], deny: [add]}}")
    assert not policy.tool("evil_add", "evil/add").allowed
    assert not evaluator("tools: [add]").tool("evil_add", "evil/add").allowed


def test_case_and_unicode_do_not_get_round_a_rule() -> None:
    policy = evaluator("mcp: {tools: {allow: [add, 'ok_*']}}")
    for name in ("Add", "ADD", "add ", " add", "add\0", "ａｄｄ", "adԁ", "ok", "OK_x"):
        assert not policy.tool(name, f"m/{name}").allowed, name


def test_a_slash_in_a_pattern_is_about_the_qualified_name_only() -> None:
    policy = evaluator("tools: ['add*']")
    assert not policy.tool("x", "adder/x").allowed
    policy = evaluator("tools: ['*/add']")
    assert policy.tool("m_add", "m/add").allowed
    assert not policy.tool("add").allowed


NAMES = st.text("ab_X", max_size=5)
PATTERNS = st.text("ab_X*?", min_size=1, max_size=5)


def fits(pattern: str, text: str) -> bool:
    """A glob, by its definition."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(fits(pattern[1:], text[i:]) for i in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and fits(pattern[1:], text[1:])


def plainly(allow: list[str], deny: list[str], means: Any) -> tuple[bool, str]:
    """The rule that decides, by the documented order."""

    def wild(pattern: str) -> bool:
        return "*" in pattern or "?" in pattern

    order = [
        ("deny", [one for one in deny if not wild(one)]),
        ("allow", [one for one in allow if not wild(one)]),
        ("deny", [one for one in deny if wild(one)]),
        ("allow", [one for one in allow if wild(one)]),
    ]
    for which, patterns in order:
        for pattern in patterns:
            if means(pattern):
                return which == "allow", f"{which}: {pattern}"
    return False, ""


def said(decision: Any, section: str) -> tuple[bool, str]:
    return decision.allowed, decision.rule.removeprefix(f"{section}.")


@given(st.lists(PATTERNS, max_size=6), st.lists(PATTERNS, max_size=6), st.lists(NAMES, max_size=6))
def test_names_are_decided_as_the_rules_say(allow: list[str], deny: list[str], names: list[str]) -> None:  # A63
    allow, deny = [one for one in allow if one.strip()], [one for one in deny if one.strip()]
    rules = {"allow": allow, "deny": deny}
    policy = evaluator(flow({"core": {"environment": rules}, "mcp": {"prompts": rules}}))
    for name in itertools.chain(names, names):  # the second time from memory
        expected = plainly(allow, deny, lambda pattern, name=name: fits(pattern, name))
        assert said(policy.environment(name), "core.environment") == expected
        assert said(policy.prompt(name), "mcp.prompts") == expected


def test_no_pattern_makes_a_text_expensive() -> None:
    policy = evaluator("core: {environment: {allow: ['*a*a*a*a*a*a*a*a*a*a*a*b', 'a*?*?*?*?*?*?*?b']}}")
    assert not policy.environment("a" * 3000).allowed
    paths = evaluator("core: {storage: {allow: ['/**/a/**/a/**/a/**/a/**/b', '/**/*a*a*a*a*a*a*b']}}")
    assert not paths.storage("/a" * 2000, "read").allowed


# Variables


def test_variables_are_those_that_rules_allow() -> None:  # A63
    policy = evaluator("core: {environment: {allow: ['DATABASE_*', HOME], deny: ['*_PASSWORD', DATABASE_KEY]}}")
    environ = {"DATABASE_URL": "u", "DATABASE_PASSWORD": "p", "DATABASE_KEY": "k", "HOME": "/h", "PATH": "/bin"}
    assert policy.variables(environ) == (("DATABASE_URL", "u"), ("HOME", "/h"))
    assert evaluator("version: '1.0'").variables(environ) == ()


# Paths


def test_paths(tmp_path: Path) -> None:  # A63
    text = """\
core:
  storage:
    allow:
      - {uri: "fs:///data/**", access: [read, write]}
      - {uri: "fs://own/*.txt", access: [read]}
      - {uri: /data/secret/public.txt}
    deny:
      - {uri: /data/secret}
      - {uri: "/data/**/*.key", access: [write]}
"""
    policy = evaluator(text, tmp_path)
    assert policy.storage("/data/a/b", "read").allowed
    assert policy.storage("/data", "read").allowed
    assert not policy.storage("/data/a/b", "delete").allowed
    assert not policy.storage("/database", "read").allowed
    assert policy.storage(f"{tmp_path}/own/a.txt", "read").allowed
    assert not policy.storage(f"{tmp_path}/own/b/a.txt", "read").allowed
    assert not policy.storage(f"{tmp_path}/own/a.txt", "write").allowed
    assert not policy.storage("/data/secret", "read").allowed
    assert not policy.storage("/data/secret/deep/file", "read").allowed  # what is below a denied folder is denied
    assert policy.storage("/data/secret/public.txt", "read").allowed  # unless a rule without a wildcard names it
    assert not policy.storage("/data/secret/public.txt", "write").allowed
    assert policy.storage("/data/x/a.key", "read").allowed
    assert policy.storage("/data/a.key", "write").rule == "core.storage.deny: /data/**/*.key"
    assert not evaluator("version: '1.0'").storage("/data", "read").allowed


@pytest.mark.parametrize(
    "path",
    ["/data/../etc/passwd", "/data/./x", "data/x", "", "/data//x", "/data/x/", "/data/x\0", "/data/..", "//data/x"],
)
def test_paths_that_could_mean_another_are_denied(path: str) -> None:
    policy = evaluator("core: {storage: {allow: ['/**']}}")
    assert not policy.storage(path, "read").allowed
    assert policy.storage("/data/..x/%2e%2e/X", "read").allowed  # these are names like any other


def test_a_relative_rule_in_a_folder_with_a_wildcard_in_its_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="has a wildcard in its name"):
        evaluator("core: {storage: {allow: [x]}}", tmp_path / "a*b")


PATHS = st.lists(st.text("ab.", min_size=1, max_size=3).filter(lambda n: n not in (".", "..")), max_size=4)
PATH_RULES = st.lists(
    st.lists(
        st.just("**") | st.text("ab*?", min_size=1, max_size=3).filter(lambda n: "**" not in n), min_size=1, max_size=4
    ),
    max_size=5,
)


def fits_path(names: list[str], path: list[str]) -> bool:
    """A pattern of a path, by its definition."""
    if not names:
        return not path
    if names[0] == "**":
        return any(fits_path(names[1:], path[i:]) for i in range(len(path) + 1))
    return bool(path) and fits(names[0], path[0]) and fits_path(names[1:], path[1:])


@given(PATH_RULES, PATH_RULES, st.lists(PATHS, max_size=6))
def test_paths_are_decided_as_the_rules_say(  # A63
    allow: list[list[str]], deny: list[list[str]], paths: list[list[str]]
) -> None:
    def uris(rules: list[list[str]]) -> list[str]:
        return ["/" + "/".join(names) for names in rules]

    policy = evaluator(flow({"core": {"storage": {"allow": uris(allow), "deny": uris(deny)}}}))
    for path in paths:
        decision = policy.storage("/" + "/".join(path), "read")
        plain = ["/" + "/".join(names) for names in deny if not any("*" in n or "?" in n for n in names)]
        exact_denied = "/" + "/".join(path) in plain
        exact_allowed = path in allow and not any("*" in n or "?" in n for n in path)
        denied = any(fits_path(names, path[:end]) for names in deny for end in range(len(path) + 1))
        expected = not exact_denied and (
            exact_allowed or (not denied and any(fits_path(names, path) for names in allow))
        )
        assert decision.allowed is expected, (allow, deny, path, decision)


# Hosts


NETWORK = """\
core:
  network:
    allow:
      - api.example.com
      - {host: "*.example.org", ports: ["443", "8000-8100"], protocols: [https]}
      - {cidr: 10.1.0.0/16}
      - {host: 192.168.7.7}
      - localhost
      - bücher.example
      - {cidr: "fd00:1::/32"}
    deny:
      - evil.example.org
      - {cidr: 10.1.66.0/24}
      - {cidr: 93.184.0.0/16}
"""


def test_hosts() -> None:  # A63
    policy = evaluator(NETWORK)
    allowed = [
        ("api.example.com", 1),
        ("API.Example.COM.", 443),
        ("ａｐｉ。example．com", 443),
        ("10.1.2.3", 5432),
        ("192.168.7.7", 80),
        ("bücher.example", 80),
        ("BÜCHER.example", 80),
        ("xn--bcher-kva.example", 80),
        ("[fd00:1::5]", 80),
    ]
    assert [pair for pair in allowed if not policy.network(*pair).allowed] == []
    denied = [
        ("example.com", 443),
        ("xapi.example.com", 443),
        ("api.example.com.evil.net", 443),
        ("api.example.com..", 443),
        ("api%2eexample.com", 443),
        ("api.example.com:443", 443),
        ("api.example.com\0.evil.net", 443),
        ("api.example.com/", 443),
        ("user@api.example.com", 443),
        ("аpi.example.com", 443),  # a Cyrillic letter
        ("10.1.66.6", 80),
        ("10.2.0.1", 80),
        ("8.8.8.8", 53),
        ("", 80),
        ("bu\u200dcher.example", 80),
    ]
    assert [pair for pair in denied if policy.network(*pair).allowed] == []


def test_ports_and_protocols() -> None:  # A63
    policy = evaluator(NETWORK)
    assert policy.network("a.example.org", 443, "https").allowed
    assert policy.network("a.b.example.org", 8050, "https").allowed
    assert not policy.network("a.example.org", 443, "tcp").allowed
    assert not policy.network("a.example.org", 80, "https").allowed
    assert not policy.network("example.org", 443, "https").allowed  # *.DOMAIN is what is below it
    assert policy.network("evil.example.org", 443, "https").rule == "core.network.deny: evil.example.org"
    tcp = evaluator("core: {network: {allow: [{host: a, protocols: [tcp]}]}}")
    assert tcp.network("a", 1, "http").allowed
    assert not tcp.network("a", 1, "udp").allowed


LOOPBACKS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "１２７.０.０.１",
    "127。0。0。1",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::FFFF:7f00:1",
    "0.0.0.0",
    "0",
    "::",
]
PRIVATE = [
    *("10.0.0.1", "172.16.5.5", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "fe80::1", "fc00::1"),
    *("64:ff9b::a00:1", "2002:a00:1::", "::10.0.0.1", "224.0.0.1", "255.255.255.255", "ff02::1", "2001:0:1::1"),
    *("::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "0xa9fea9fe", "fec0::1"),
]


@pytest.mark.parametrize("host", [*LOOPBACKS, *PRIVATE])
def test_addresses_that_are_not_public_are_reached_only_where_a_rule_names_them(host: str) -> None:  # A63
    every = evaluator("core: {network: {allow: ['*', {cidr: 0.0.0.0/0}, {cidr: '::/0'}]}}")
    decision = every.network(host, 80)
    assert not decision.allowed
    assert "not of the public internet" in decision.why
    assert every.network("93.184.216.34", 80).allowed
    assert every.network("2606:2800::1", 80).allowed


def test_a_rule_for_a_private_network_lets_it_be_reached_however_it_is_written() -> None:
    policy = evaluator("core: {network: {allow: [{cidr: 127.0.0.0/8}, '::1', {cidr: '::ffff:10.0.0.0/104'}]}}")
    for host in ("127.0.0.1", "0x7f.1", "2130706433", "::ffff:127.0.0.1", "::1", "10.1.1.1"):
        assert policy.network(host, 80).allowed, host
    for host in ("0.0.0.0", "11.0.0.1", "127.0.0.1.example.org"):
        assert not policy.network(host, 80).allowed, host


def test_the_answers_of_a_name_server_are_checked_again() -> None:  # A63
    policy = evaluator(NETWORK)
    host = "api.example.com"
    assert policy.check_addresses(host, ["1.2.3.4", "2606:2800::1"], 443).allowed
    for answer in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:192.168.1.1", "93.184.216.34"):
        assert not policy.check_addresses(host, ["1.2.3.4", answer], 443).allowed, answer
    assert policy.check_addresses(host, ["10.1.0.5"], 443).allowed  # a rule names this network
    assert not policy.check_addresses(host, ["10.1.66.5"], 443).allowed
    assert not policy.check_addresses(host, [], 443).allowed
    assert not policy.check_addresses(host, ["not an address"], 443).allowed
    assert not policy.check_addresses("evil.example.org", ["1.2.3.4"], 443, "https").allowed
    assert not policy.check_addresses("unknown.net", ["1.2.3.4"], 443).allowed
    assert policy.check_addresses("unknown.net", ["10.1.0.5"], 443).allowed
    assert policy.check_addresses("localhost", ["127.0.0.1", "::1"], 80).allowed
    assert not policy.check_addresses("localhost", ["10.0.0.1"], 80).allowed


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address) | st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
def test_what_python_calls_not_global_is_special_here(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    parsed = parse_host(str(address))
    assert isinstance(parsed, Address)
    if not address.is_global or address.is_multicast:
        assert special(parsed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert ipaddress.ip_address(str(parsed)) == (mapped or address)


NUMBERS = st.integers(0, 2**33).flatmap(lambda n: st.sampled_from([str(n), hex(n), f"0{n:o}", f"{n % 300}"]))


@given(st.lists(NUMBERS, min_size=1, max_size=5).map(".".join))
def test_addresses_in_numbers_are_what_the_c_library_makes_of_them(text: str) -> None:
    try:
        expected = socket.inet_aton(text)
    except OSError:
        with pytest.raises(HostError):
            parse_host(text)
        return
    assert parse_host(text) == Address(32, int.from_bytes(expected))


@given(st.text(max_size=40) | st.text("a.:-_[]%0x1é。", max_size=20))
def test_any_text_is_a_host_or_an_error(text: str) -> None:
    try:
        host = parse_host(text)
    except HostError:
        return
    assert parse_host(str(host)) == host
    assert str(host).isascii()


OCTETS = st.sampled_from([0, 1, 10, 93, 100, 127, 169, 172, 192, 224, 255])
ADDRESSES = st.tuples(OCTETS, OCTETS, st.integers(0, 3), st.integers(0, 3)).map(lambda t: ".".join(map(str, t)))
CIDRS = st.tuples(ADDRESSES, st.integers(0, 32)).map(
    lambda t: str(ipaddress.ip_network(f"{t[0]}/{t[1]}", strict=False))
)


@given(st.lists(CIDRS | st.just("*"), max_size=6), st.lists(CIDRS | st.just("*"), max_size=4), st.lists(ADDRESSES))
def test_addresses_are_decided_as_the_rules_say(allow: list[str], deny: list[str], hosts: list[str]) -> None:  # A63
    def rules(patterns: list[str]) -> list[dict[str, str]]:
        return [{"host": one} if one == "*" else {"cidr": one} for one in patterns]

    policy = evaluator(flow({"core": {"network": {"allow": rules(allow), "deny": rules(deny)}}}))
    ranges = [
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
    ]
    networks = [ipaddress.IPv4Network(one) for one in ranges]
    for host in hosts:
        address = ipaddress.IPv4Address(host)
        within = next((network for network in networks if address in network), None)

        def means(
            pattern: str, address: ipaddress.IPv4Address = address, within: ipaddress.IPv4Network | None = within
        ) -> bool:
            return pattern == "*" or address in ipaddress.IPv4Network(pattern)

        def reaches(pattern: str, within: ipaddress.IPv4Network | None = within) -> bool:
            if within is None:
                return True
            return pattern != "*" and ipaddress.IPv4Network(pattern).subnet_of(within)

        def exact(pattern: str) -> bool:
            return pattern.endswith("/32")

        good = [one for one in allow if means(one) and reaches(one)]
        bad = [one for one in deny if means(one)]
        expected = not any(map(exact, bad)) and (any(map(exact, good)) or (not bad and bool(good)))
        assert policy.network(host, 80).allowed is expected, (allow, deny, host)


# Resources


def test_resources_and_operations() -> None:  # A63
    policy = evaluator("""\
mcp:
  resources:
    allow:
      - "notes://*"
      - {uri: "log://*", operations: [list]}
    deny:
      - "notes://secret/*"
""")
    assert policy.resource("notes://a/b").allowed
    assert policy.resource("log://x", "list").allowed
    assert not policy.resource("log://x", "read").allowed
    assert not policy.resource("notes://secret/x").allowed
    for uri in ("notes://%73ecret/x", "notes://a/../secret/x", "notes://a/%2e%2e/secret/x", "notes://%2573ecret/x"):
        assert not policy.resource(uri).allowed, uri
    assert policy.resource("notes://a%20b").allowed


# Arguments and rates


def test_arguments_are_held_against_every_rule_that_allows_the_tool() -> None:  # A63
    policy = evaluator("""\
mcp:
  tools:
    allow:
      - {name: "calculator/*", parameters: {a: {min: 0, max: 10, required: true}}}
      - name: add
        parameters: {type: object, properties: {b: {enum: [1, 2]}}}
""")
    assert policy.arguments("add", "calculator/add", {"a": 3, "b": 1}) is None
    assert policy.arguments("sub", "calculator/sub", {"a": 3, "b": 9}) is None
    denied = policy.arguments("add", "calculator/add", {"a": 11, "b": 1})
    assert denied is not None
    assert (denied.allowed, denied.rule, denied.place) == (False, "mcp.tools.allow: calculator/*", "p.yaml:4")
    assert "a: 11 is greater than the maximum of 10" in denied.why
    for bad in ({}, {"a": 1, "b": 3}, {"a": "1"}, [], None):
        assert policy.arguments("add", "calculator/add", bad) is not None, bad


def test_a_schema_that_cannot_be_checked_is_told_with_its_place() -> None:
    with pytest.raises(PolicyError, match=r"p\.yaml:1: parameters of tools\.allow: a: "):
        evaluator("tools: [{name: a, parameters: {type: object, properties: {x: {type: nonsense}}}}]")


def test_rates_are_the_least_of_all_rules_that_allow_the_tool() -> None:  # A43
    policy = evaluator("""\
tools:
  - {name: "calculator/*", max_calls_per_minute: 100, max_calls_per_hour: 1000}
  - {name: add, max_calls_per_minute: 10}
  - other
""")
    rates = policy.rates([("add", "calculator/add"), ("sub", "calculator/sub"), ("other", "m/other")])
    assert {name: (rate.per_minute, rate.per_hour) for name, rate in rates.items()} == {
        "add": (10, 1000),
        "sub": (100, 1000),
    }
    tools = Rates(policy, {"calculator/add": "add", "m/other": "other", "evil/x": "add"})
    assert dict(tools) == {"calculator/add": (10, 1000), "evil/x": (10, 0)}
    assert tools.get("calculator/later", (0, 0)) == (100, 1000)
    assert policy.has_rates
    assert not evaluator("tools: [a]").has_rates


# Transports


def test_transports() -> None:
    policy = evaluator("mcp: {transport: {stdio: true, http: {allowed_hosts: [Tools.example.org]}}}")
    assert [policy.transport(kind).allowed for kind in ("stdio", "http", "websocket")] == [True, True, False]
    assert policy.host_header("tools.example.org").allowed
    assert not policy.host_header("other.example.org").allowed
    assert evaluator("version: '1.0'").transport("websocket").allowed
