"""The protocol in Python: what each message is answered with, in every revision."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpkit.mcp import Dispatcher, McpError, Reply, Request, ServerInfo, envelope, errors, methods, negotiate, revisions

LEGACY = revisions.LEGACY
MODERN = "2026-07-28"

META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Tool(msgspec.Struct):
    """A tool as the guests package describes one."""

    name: str
    title: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "object"})
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"n": {"$anchor": "n", "type": "integer", "maximum": 18446744073709551615}},
    "properties": {"b": {"$ref": "#n"}, "a": {"type": "string"}},
    "if": {"required": ["a"]},
    "then": {"required": ["b"]},
    "additionalProperties": False,
}

TOOLS = [
    Tool("shout", "Shout", "Says it louder", SCHEMA, {"type": "object"}, {"readOnlyHint": True}),
    Tool("add", description="Adds", output_schema={"type": "integer"}),
]

SERVER = Dispatcher(ServerInfo("demo", "1.2.3", title="Demo", description="For tests", instructions="Be brief"), TOOLS)


def ask(method: str, params: Any = None, revision: str = "2025-11-25", **options: Any) -> Reply:
    """Send one request; modern ones get a valid `_meta` unless they bring their own."""
    era = revisions.BY_NAME[revision].era
    if era == "modern":
        params = {"_meta": META, **(params or {})}
    raw = None if params is None else json.dumps(params).encode()
    return SERVER.handle(Request(era, revision, method, options.pop("id", b"1"), raw, **options))


def result(reply: Reply) -> dict[str, Any]:
    assert reply.error is None
    assert reply.result is not None
    answer: dict[str, Any] = json.loads(reply.result)
    return answer


def error(reply: Reply) -> tuple[int, int]:
    """JSON-RPC code and HTTP status."""
    assert reply.error is not None
    assert reply.result is None
    return reply.error.code, reply.http_status


# Getting to know each other


@pytest.mark.parametrize("asked", [*LEGACY, MODERN, "2024-10-07", "2099-01-01", ""])
def test_initialize_agrees_on_a_version_and_never_fails_over_it(asked: str) -> None:  # N07
    reply = ask(
        "initialize", {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    )
    agreed = asked if asked in LEGACY else "2025-11-25"
    assert negotiate(asked) == agreed
    assert reply.opens is not None
    assert reply.opens.revision == agreed
    answer = result(reply)
    assert answer["protocolVersion"] == agreed
    assert answer["capabilities"] == {"tools": {}}
    assert answer["instructions"] == "Be brief"
    assert "resultType" not in answer


def test_server_info_has_the_members_its_revision_defines() -> None:
    def members(revision: str) -> list[str]:
        return list(result(ask("initialize", {"protocolVersion": revision}))["serverInfo"])

    assert members("2024-11-05") == ["name", "version"]
    assert members("2025-06-18") == ["name", "title", "version"]
    assert members("2025-11-25") == ["name", "title", "version", "description"]


@pytest.mark.parametrize("params", [None, {}, {"protocolVersion": 1}, {"protocolVersion": "x", "capabilities": []}])
def test_a_malformed_initialize_is_refused_and_opens_nothing(params: Any) -> None:  # C06
    reply = ask("initialize", params)
    assert error(reply) == (errors.INVALID_PARAMS, 200)
    assert reply.opens is None


def test_discover_lists_what_there_is() -> None:
    assert result(ask("server/discover", revision=MODERN)) == {
        "resultType": "complete",
        "supportedVersions": [MODERN],
        "capabilities": {"tools": {}},
        "instructions": "Be brief",
        "ttlMs": 60_000,
        "cacheScope": "public",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "demo", "version": "1.2.3"}},
    }


@pytest.mark.parametrize("revision", LEGACY)
def test_ping_is_answered_with_an_empty_object(revision: str) -> None:
    assert ask("ping", revision=revision).result == b"{}"


# Tools


@pytest.mark.parametrize("revision", LEGACY)
def test_legacy_tool_lists_are_plain(revision: str) -> None:
    assert result(ask("tools/list", revision=revision)) == {
        "tools": [
            {"name": "add", "description": "Adds", "inputSchema": {"type": "object"}},
            {
                "name": "shout",
                "title": "Shout",
                "description": "Says it louder",
                "inputSchema": SCHEMA,
                "outputSchema": {"type": "object"},
                "annotations": {"readOnlyHint": True},
            },
        ]
    }


def test_modern_tool_lists_can_be_kept_and_have_any_output_schema() -> None:
    answer = result(ask("tools/list", revision=MODERN))
    assert [tool["name"] for tool in answer["tools"]] == ["add", "shout"]
    assert answer["tools"][0]["outputSchema"] == {"type": "integer"}
    assert (answer["resultType"], answer["ttlMs"], answer["cacheScope"]) == ("complete", 60_000, "public")
    assert "nextCursor" not in answer


def test_schemas_keep_their_order_and_every_keyword() -> None:
    raw = SERVER.static_answers()["modern", "tools/list"]
    assert json.dumps(SCHEMA, separators=(",", ":")).encode() in raw


def test_the_order_of_tools_does_not_depend_on_how_they_came() -> None:
    other = Dispatcher(SERVER.info, TOOLS[::-1])
    assert other.static_answers() == SERVER.static_answers()


@pytest.mark.parametrize("key", list(SERVER.static_answers()))
def test_static_answers_are_what_handle_gives(key: tuple[str, str]) -> None:  # N08
    era, method = key
    for revision in revisions.MODERN if era == "modern" else LEGACY:
        assert ask(method, revision=revision).result == SERVER.static_answers()[key]  # type: ignore[index]


@pytest.mark.parametrize("revision", [*LEGACY, MODERN])
def test_the_empty_cursor_is_the_first_page_and_others_were_never_given(revision: str) -> None:
    assert ask("tools/list", {"cursor": ""}, revision).result == ask("tools/list", {}, revision).result
    for cursor in ("x", 1, None, ["x"]):
        assert error(ask("tools/list", {"cursor": cursor}, revision)) == (errors.INVALID_PARAMS, 200)


@pytest.mark.parametrize("revision", [*LEGACY, MODERN])
def test_a_call_is_for_later(revision: str) -> None:
    assert ask("tools/call", {"name": "add"}, revision).later


def test_two_tools_of_one_name_are_refused_at_the_start() -> None:  # C11
    with pytest.raises(ValueError, match="two tools are named 'add'"):
        Dispatcher(SERVER.info, [Tool("add"), Tool("add")])


# Methods that are not there


@pytest.mark.parametrize("revision", [*LEGACY, MODERN])
@pytest.mark.parametrize(
    "method",
    [
        "resources/list",
        "resources/read",
        "prompts/get",
        "completion/complete",
        "tasks/get",
        "no/such",
        "",
        "tools/List",
    ],
)
def test_what_is_not_offered_is_method_not_found(revision: str, method: str) -> None:  # C06
    assert error(ask(method, revision=revision)) == (errors.METHOD_NOT_FOUND, 404 if revision == MODERN else 200)


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe"])
def test_the_modern_era_has_lost_methods(method: str) -> None:
    assert error(ask(method, revision=MODERN)) == (errors.METHOD_NOT_FOUND, 404)


@pytest.mark.parametrize(
    ("method", "revision", "reason"),
    [
        ("prompts/list", "2025-11-25", "this server does not offer prompts"),
        ("tasks/update", MODERN, "this server does not offer io.modelcontextprotocol/tasks"),
        ("resources/subscribe", MODERN, "only in revision 2024-11-05 to 2025-11-25"),
        ("server/discover", "2025-06-18", "only in revision 2026-07-28"),
        ("notifications/cancelled", "2025-06-18", "this is a notification and takes no id"),
        ("roots/list", "2025-06-18", "only servers send this"),
    ],
)
def test_the_message_says_why_a_method_is_not_there(method: str, revision: str, reason: str) -> None:
    reply = ask(method, revision=revision)
    assert reply.error is not None
    assert reply.error.message == f"Method not found: {method} ({reason})"


def test_the_method_tables_agree_with_the_revisions() -> None:
    expected = {
        "tools/call": [*LEGACY, MODERN],
        "server/discover": [MODERN],
        "subscriptions/listen": [MODERN],
        "resources/unsubscribe": list(LEGACY),
        "tasks/result": ["2025-11-25"],
        "tasks/cancel": ["2025-11-25", MODERN],
        "tasks/update": [MODERN],
    }
    for name, lives_in in expected.items():
        assert [r.name for r in revisions.REVISIONS if methods.find(name, r.name)] == lives_in
    assert methods.family("tasks/update") == "tasks"
    assert methods.family("no/such") is None


# The modern envelope


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {},
        {"io.modelcontextprotocol/protocolVersion": MODERN},
        {"io.modelcontextprotocol/clientCapabilities": {}},
        {**META, "io.modelcontextprotocol/protocolVersion": 1},
        {**META, "io.modelcontextprotocol/clientCapabilities": []},
        {**META, "io.modelcontextprotocol/clientInfo": "c"},
        {**META, "io.modelcontextprotocol/logLevel": "loud"},
        {**META, "progressToken": 1.5},
    ],
)
def test_a_modern_request_without_a_valid_meta_is_refused(meta: Any) -> None:
    assert error(ask("tools/list", {"_meta": meta}, MODERN)) == (errors.INVALID_PARAMS, 400)
    bare = Request("modern", MODERN, "tools/list", b"1", None)
    assert error(SERVER.handle(bare)) == (errors.INVALID_PARAMS, 400)


def test_client_info_and_a_log_level_are_welcome_but_not_needed() -> None:
    meta = {
        **META,
        "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
        "io.modelcontextprotocol/logLevel": "notice",
        "progressToken": "p",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    assert ask("tools/list", {"_meta": meta}, MODERN).error is None


# Notifications


@pytest.mark.parametrize("revision", [*LEGACY, MODERN])
@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/progress", "notifications/x", "ping"])
def test_notifications_are_accepted_and_answered_with_nothing(method: str, revision: str) -> None:
    assert ask(method, {"any": 1}, revision, id=None) == Reply(http_status=202)


def test_a_cancellation_names_the_request_byte_for_byte() -> None:
    for raw in (b"7", b'"a\\u0062"', b"123456789012345678901234567890"):
        params = b'{"requestId": ' + raw + b' ,"reason":"enough"}'
        for era, revision, transport in (("legacy", "2024-11-05", "http"), ("modern", MODERN, "stdio")):
            request = Request(era, revision, "notifications/cancelled", None, params, transport)  # type: ignore[arg-type]
            assert SERVER.handle(request) == Reply(cancel_request_id=raw, http_status=202)


def test_modern_http_cancels_by_disconnecting_only() -> None:
    reply = ask("notifications/cancelled", {"requestId": 7}, MODERN, id=None, transport="http")
    assert reply == Reply(http_status=202)


def test_a_malformed_cancellation_is_passed_over() -> None:
    for params in (None, {}, {"requestId": 1, "reason": 2}):
        assert ask("notifications/cancelled", params, id=None) == Reply(http_status=202)


# Whatever comes


@given(
    st.sampled_from([r.name for r in revisions.REVISIONS]),
    st.sampled_from(["initialize", "tools/list", "tools/call", "ping", "server/discover", "notifications/cancelled"])
    | st.text(),
    st.none() | st.just(b"1"),
    st.none() | st.binary(),
)
def test_handle_never_raises(revision: str, method: str, request_id: bytes | None, params: bytes | None) -> None:
    reply = SERVER.handle(Request(revisions.BY_NAME[revision].era, revision, method, request_id, params))
    if request_id is None:
        assert (reply.result, reply.error) == (None, None)
    else:
        assert [reply.result is not None, reply.error is not None, reply.later].count(True) == 1
        assert reply.error is None or reply.error.code != errors.INTERNAL_ERROR


def test_an_unexpected_failure_is_an_internal_error_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    broken = Dispatcher(SERVER.info, TOOLS)
    broken.info = None  # type: ignore[assignment]
    reply = broken.handle(Request("legacy", "2025-11-25", "initialize", b"1", b'{"protocolVersion":"2025-11-25"}'))
    assert error(reply) == (errors.INTERNAL_ERROR, 200)
    assert "no answer to initialize" in caplog.text


# Errors and envelopes


def test_errors_carry_what_the_protocol_asks_for() -> None:
    version = errors.unsupported_version("2099-01-01", revisions.MODERN)
    assert (version.code, version.status("modern")) == (-32022, 400)
    assert version.data == {"supported": [MODERN], "requested": "2099-01-01"}
    capability = errors.missing_capability({"sampling": {}})
    assert (capability.code, capability.status("modern")) == (-32021, 400)
    assert capability.data == {"requiredCapabilities": {"sampling": {}}}
    assert McpError(errors.HEADER_MISMATCH, "x").status("modern") == 400
    assert McpError(errors.PARSE_ERROR, "x").status("legacy") == 400


def test_envelopes_give_ids_back_byte_for_byte() -> None:
    assert envelope.response(b'"\\u0041"', b"{}") == b'{"jsonrpc":"2.0","id":"\\u0041","result":{}}'
    assert json.loads(envelope.error(None, McpError(-32700, 'bad "x"'))) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32700, "message": 'bad "x"'},
    }
    assert json.loads(envelope.error(b"1", McpError(-32602, "m", {"uri": "u"})))["error"]["data"] == {"uri": "u"}
    assert json.loads(envelope.notification("notifications/x", b'{"a":1}'))["params"] == {"a": 1}
