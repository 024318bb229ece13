"""Folders that a policy grants: what a guest can do in them, and everything that leads out of them. # A63"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import guests
from mcpkit.config import loads_policy
from mcpkit.core.wasm import Tool
from mcpkit.policy import Evaluator, grants_for
from mcpkit.policy.grants import Grants, PathRule
from mcpkit.policy.preopens import GrantError, preopens
from mcpkit.wasm import Runtime
from servers import http_server

READ = frozenset({"read"})
ALL = frozenset({"read", "write", "create", "delete"})


def grants(*rules: tuple[str, str, frozenset[str]]) -> Grants:
    return Grants(rules=tuple(PathRule(pattern=p, access=a, allow=kind == "allow") for kind, p, a in rules))


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime(cache_dir=guests.BUILD / "compiled") as runtime:
        yield runtime


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("data/in", "data/out", "private"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data/in/a.txt").write_text("hello")
    (tmp_path / "private/key").write_text("secret")
    return tmp_path


class Guest:
    def __init__(self, runtime: Runtime, granted: Grants) -> None:
        program = runtime.open(guests.build("files"))
        self.tool = Tool(program, style="command", argv=("files",), folders=preopens(granted, "files"))

    def __call__(self, op: str, path: Path | str, to: str = "") -> Any:
        result = self.tool.call(json.dumps({"op": op, "path": str(path), "to": to}).encode())
        assert result.status == "ok", result.detail
        return json.loads(result.output)


def test_nothing_without_a_grant(runtime: Runtime, tree: Path) -> None:
    guest = Guest(runtime, Grants())
    assert "errno" in guest("read", tree / "data/in/a.txt")
    assert "errno" in guest("list", "/")
    assert "errno" in guest("write", "/tmp/x")


def test_reading_does_not_mean_changing(runtime: Runtime, tree: Path) -> None:
    guest = Guest(runtime, grants(("allow", f"{tree}/data/**", READ)))
    assert guest("read", tree / "data/in/a.txt") == {"content": "hello"}
    assert guest("list", tree / "data/in") == {"content": "a.txt "}
    for op in ("write", "delete"):
        assert "errno" in guest(op, tree / "data/in/a.txt")
    assert "errno" in guest("write", tree / "data/out/new")
    assert "errno" in guest("rename", tree / "data/in/a.txt", f"{tree}/data/in/b.txt")
    assert (tree / "data/in/a.txt").read_text() == "hello"
    assert list((tree / "data/out").iterdir()) == []


def test_a_folder_inside_may_be_changed(runtime: Runtime, tree: Path) -> None:
    guest = Guest(runtime, grants(("allow", f"{tree}/data/**", READ), ("allow", f"{tree}/data/out/**", ALL)))
    assert guest("write", tree / "data/out/new") == {"content": ""}
    assert (tree / "data/out/new").read_text() == "written"
    assert "errno" in guest("write", tree / "data/in/new")
    assert guest("delete", tree / "data/out/new") == {"content": ""}


def test_ways_out_lead_nowhere(runtime: Runtime, tree: Path) -> None:
    (tree / "data/out/absolute").symlink_to(tree / "private/key")
    (tree / "data/out/relative").symlink_to("../../private/key")
    (tree / "data/out/folder").symlink_to(tree / "private")
    (tree / "data/out/proc").symlink_to("/proc/self/root")
    guest = Guest(runtime, grants(("allow", f"{tree}/data/**", ALL)))
    tried = [
        tree / "private/key",
        f"{tree}/data/../private/key",
        f"{tree}/data/in/../../private/key",
        tree / "data/out/absolute",
        tree / "data/out/relative",
        tree / "data/out/folder/key",
        f"{tree}/data/out/proc/{tree}/private/key",
        "/etc/passwd",
        "../../../../etc/passwd",
    ]
    assert [path for path in tried if "errno" not in guest("read", path)] == []
    assert guest("read", tree / "data/out/../in/a.txt") == {"content": "hello"}
    guest("link", tree / "data/out/mine", f"{tree}/private/key")
    assert "errno" in guest("read", tree / "data/out/mine")
    guest("link", tree / "data/out/mine2", "../../private/key")
    assert "errno" in guest("read", tree / "data/out/mine2")
    assert "errno" in guest("rename", tree / "data/in/a.txt", f"{tree}/private/moved")
    assert sorted(path.name for path in (tree / "private").iterdir()) == ["key"]


def test_a_deny_of_the_whole_takes_its_access_away(runtime: Runtime, tree: Path) -> None:
    changing = frozenset({"write", "create", "delete"})
    given = grants(("allow", f"{tree}/data/**", ALL), ("deny", f"{tree}/**", changing))
    (one,) = preopens(given, "m")
    assert (one.guest, one.writable) == (f"{tree}/data", False)
    assert preopens(grants(("allow", f"{tree}/data/**", READ), ("deny", f"{tree}/data/**", READ)), "m") == ()


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([("allow", "{}/data/**", READ), ("deny", "{}/data/in/**", READ)], r"denies .*/data/in/\*\* inside"),
        ([("allow", "{}/data/**", READ), ("deny", "{}/data/in/a.txt", READ)], "inside"),
        ([("allow", "{}/data/**", READ), ("deny", "/**/.env", READ)], "inside"),
        ([("allow", "{}/data/**", READ), ("deny", "{}/d*/in", READ)], "inside"),
        ([("allow", "{}/data/in/a.txt", READ)], "whole folders only"),
        ([("allow", "{}/data/*.txt", READ)], "whole folders only"),
        ([("allow", "{}/data/**", frozenset({"read", "write"}))], "together"),
        ([("allow", "{}/data/**", frozenset({"write", "create", "delete"}))], "together"),
    ],
)
def test_what_cannot_be_kept_is_refused(tree: Path, rules: list[Any], says: str) -> None:
    with pytest.raises(GrantError, match=says):
        preopens(grants(*[(kind, pattern.format(tree), access) for kind, pattern, access in rules]), "m")


def test_denials_elsewhere_do_not_matter(tree: Path) -> None:
    given = grants(("allow", f"{tree}/data/**", READ), ("deny", f"{tree}/private/**", ALL), ("deny", "/etc/*", ALL))
    assert [one.guest for one in preopens(given, "m")] == [f"{tree}/data"]


def test_a_denied_folder_under_another_name_is_denied(tree: Path) -> None:
    (tree / "alias").symlink_to(tree / "private")
    given = grants(("allow", f"{tree}/alias/**", READ), ("deny", f"{tree}/private/key", READ))
    with pytest.raises(GrantError, match="inside"):
        preopens(given, "m")


def test_what_is_written_to_stderr_shows_no_secrets(runtime: Runtime) -> None:
    chatter = runtime.open(guests.build("chatter"))
    said = Tool(chatter, style="command", argv=("x",)).call(b"{}").stderr.decode()
    word = next(word for word in said.split() if len(word) >= 4)
    masked = Tool(chatter, style="command", argv=("x",), secrets=[("KEY", word)]).call(b"{}").stderr.decode()
    assert word not in masked
    assert masked == said.replace(word, "*" * len(word))


def test_a_server_gives_what_its_policy_allows(tree: Path) -> None:
    config = tree / "c.yaml"
    config.write_text(f"""
runtime: {{wasm: {{module_path: {guests.build("files")}}}}}
policy:
  core:
    storage:
      allow: [{{uri: "fs://{tree}/data/**"}}, {{uri: "fs://{tree}/data/out/**", access: [read, write, create, delete]}}]
      deny: ["{tree}/private/**"]
""")
    with http_server("--config", str(config)) as server:

        def files(op: str, path: Path) -> Any:
            result = server.call("files", {"op": op, "path": str(path)}).json["result"]
            return result.get("structuredContent") or result["content"][0]["text"]

        assert files("read", tree / "data/in/a.txt") == "hello"
        assert "errno" in files("write", tree / "data/in/a.txt")
        assert files("write", tree / "data/out/b") == ""
        assert "errno" in files("read", tree / "private/key")


def test_a_server_does_not_start_under_rules_that_it_cannot_keep(tree: Path) -> None:
    config = tree / "c.yaml"
    config.write_text(f"""
runtime: {{wasm: {{module_path: {guests.build("opens_p2")}}}}}
policy: {{core: {{storage: {{allow: ["{tree}/**"], deny: ["{tree}/private/**"]}}}}}}
""")
    with (
        pytest.raises(AssertionError, match=r"opens_p2: the policy denies .*/private/\*\* inside"),
        http_server("--config", str(config)),
    ):
        pass
    # What imports no WASI reaches nothing anyway.
    config.write_text(config.read_text().replace(str(guests.build("opens_p2")), str(guests.build("calculator"))))
    with http_server("--config", str(config)) as server:
        assert server.call("add", {"a": 1, "b": 2}).json["result"]["structuredContent"] == {"result": 3}


# ---- folders that are named through links ----


def granted(tree: Path, allow: list[str], deny: list[str] | None = None) -> Grants:
    access = ["read", "write", "create", "delete"]
    storage = {
        "allow": [{"uri": f"{tree}/{one}", "access": access} for one in allow],
        "deny": [f"{tree}/{one}" for one in deny or []],
    }
    return grants_for(Evaluator(loads_policy(json.dumps({"core": {"storage": storage}}))), "m", {})


def read(runtime: Runtime, given: Grants, path: Path) -> Any:
    tool = Tool(
        runtime.open(guests.build("files")),
        style="command",
        argv=("files",),
        folders=[(folder.host, folder.guest, True) for folder in given.folders],
        rules=[(rule.pattern, rule.access, rule.allow) for rule in given.rules],
    )
    said = json.loads(tool.call(json.dumps({"op": "read", "path": str(path)}).encode()).output)
    return said.get("content", said.get("errno"))


def test_a_denial_through_a_link_is_one_of_what_it_leads_to(runtime: Runtime, tree: Path) -> None:
    (tree / "alias").symlink_to("data/in")
    assert read(runtime, granted(tree, ["data/**"]), tree / "data/in/a.txt") == "hello"
    assert read(runtime, granted(tree, ["data/**"], ["alias/**"]), tree / "data/in/a.txt") == 2
    assert read(runtime, granted(tree, ["data/**"], ["alias/*.txt"]), tree / "data/in/a.txt") == 2
    assert read(runtime, granted(tree, ["data/**"], ["alias/*.key"]), tree / "data/in/a.txt") == "hello"


def test_an_allowance_through_a_link_is_one_of_what_it_leads_to(runtime: Runtime, tree: Path) -> None:
    (tree / "alias").symlink_to("data/in")
    assert read(runtime, granted(tree, ["alias/**"]), tree / "alias/a.txt") == "hello"
    assert read(runtime, granted(tree, ["alias/**"], ["data/in/a.txt"]), tree / "alias/a.txt") == 2


def test_guests_cannot_allow_themselves_anything_by_a_link(
    runtime: Runtime, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tree / "data/out/mine").symlink_to("../../private")  # as a guest could, before the server starts again
    given = granted(tree, ["data/**", "data/out/mine/**"])
    assert isinstance(read(runtime, given, tree / "data/out/mine/key"), int)
    assert isinstance(read(runtime, given, tree / "private/key"), int)
    assert "guests may change links there, because of" in caplog.text
    with pytest.raises(GrantError, match=r"data/out/mine leads through a link to .*/private, and guests may change"):
        preopens(given, "m")


def test_a_place_with_a_wildcard_in_its_name_is_not_widened(
    runtime: Runtime, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tree / "d*").mkdir()
    (tree / "alias").symlink_to("d*")
    given = granted(tree, ["alias/**"])
    assert isinstance(read(runtime, given, tree / "data/in/a.txt"), int)
    assert "wildcard" in caplog.text


@pytest.mark.parametrize("folder", ["/", "/proc", "/proc/self"])
def test_components_are_not_given_processes_as_files(folder: str) -> None:
    with pytest.raises(GrantError, match="this server's own memory"):
        preopens(grants(("allow", f"{folder.rstrip('/')}/**", READ)), "m")
