"""requestState: only what this server gave out, unchanged, for the same caller and request, and not for ever."""

from __future__ import annotations

import time

import msgspec
import pytest

from mcpkit.mcp import McpError
from mcpkit.mcp.sealed import MAX_BYTES, Sealer, State

STATE = State(
    expires=time.time() + 3600,
    owner="ada",
    method="tools/call",
    digest="d",
    answers={"name": {"action": "accept"}},
    state={},
)


def opened(sealer: Sealer, text: str, *, owner: str = "ada", method: str = "tools/call", digest: str = "d") -> State:
    return sealer.open(text, owner=owner, method=method, digest=digest)


@pytest.mark.parametrize("length", range(6))
def test_every_change_is_noticed(length: int) -> None:
    """However long the text is: some lengths leave bits over at the end."""
    sealer = Sealer()
    state = msgspec.structs.replace(STATE, state={"filler": "x" * length})
    text = sealer.seal(state)
    assert opened(sealer, text) == state
    changed = [text[:n] + ("B" if text[n] == "A" else "A") + text[n + 1 :] for n in range(len(text))]
    for other in [*changed, text[:-1], text + "A", text + "-TAMPERED", text + "=", text + "==x", text + "\n", "", "é"]:
        with pytest.raises(McpError, match="not one that this server gave out") as caught:
            opened(sealer, other)
        assert caught.value.code == -32602


def test_it_opens_for_its_own_caller_and_request_only() -> None:
    sealer = Sealer()
    text = sealer.seal(STATE)
    for other in ({"owner": "eve"}, {"method": "prompts/get"}, {"digest": "e"}):
        with pytest.raises(McpError, match="belongs to another request"):
            opened(sealer, text, **other)  # type: ignore[arg-type]
    with pytest.raises(McpError, match="too old"):
        opened(sealer, sealer.seal(msgspec.structs.replace(STATE, expires=time.time() - 1)))


def test_workers_with_one_key_understand_each_other() -> None:
    key = bytes(range(32))
    assert opened(Sealer(key), Sealer(key).seal(STATE)) == STATE
    with pytest.raises(McpError):
        opened(Sealer(), Sealer(key).seal(STATE))


def test_a_state_has_its_limit() -> None:
    with pytest.raises(McpError, match=f"more than the {MAX_BYTES}"):
        Sealer().seal(msgspec.structs.replace(STATE, state={"much": "x" * MAX_BYTES}))
