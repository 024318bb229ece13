"""Rules about paths, kept for core modules to the single file, whatever a guest tries. # A63"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import guests
from mcpkit.config import loads_policy
from mcpkit.core.wasm import Engine, Tool, rules_allow
from mcpkit.policy import Evaluator, grants_for
from mcpkit.wasm import Runtime
from servers import http_server
from test_limits_hold import at_rest
from test_wasm_limits import LIBRARY

READ, CHANGE = ("read",), ("read", "write", "create", "delete")
ACCESSES = ("read", "write", "create", "delete")
NOENT, ACCES, NOTCAPABLE, LOOP, PERM = 44, 2, 76, 32, 63


# ---- which rule decides ----

names = st.sampled_from(["a", "b", "ab", "a.txt", "key", "é"])
globs = st.sampled_from(["*", "**", "a*", "?", "*.txt", "a", "b", "ab", "key", "*e*"])
patterns = st.lists(names | globs, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
paths = st.lists(names, min_size=0, max_size=5).map(lambda parts: "/" + "/".join(parts))
rules = st.lists(
    st.tuples(patterns, st.sets(st.sampled_from(ACCESSES), min_size=1).map(sorted), st.booleans()), max_size=5
)


@given(rules, paths, st.sampled_from(ACCESSES))
@example([("/a/**", ["read"], True), ("/a/b", ["read"], False)], "/a/b/key", "read")
def test_the_sandbox_decides_as_the_policy_does(given_rules: list[Any], path: str, access: str) -> None:
    lines: dict[bool, list[str]] = {True: [], False: []}
    for pattern, accesses, allow in given_rules:
        lines[allow].append(json.dumps({"uri": pattern, "access": list(accesses)}, ensure_ascii=False))
    storage = f"{{allow: [{', '.join(lines[True])}], deny: [{', '.join(lines[False])}]}}"
    policy = Evaluator(loads_policy(f"core: {{storage: {storage}}}"))
    grants = grants_for(policy, "m", {})
    kept = [(rule.pattern, rule.access, rule.allow) for rule in grants.rules]
    assert rules_allow(kept, path, [access]) == policy.storage(path, access).allowed


def test_paths_that_are_none() -> None:
    everything = [("/**", CHANGE, True)]
    assert rules_allow(everything, "/", READ)
    assert not rules_allow(everything, "relative", READ)
    assert not rules_allow(everything, "/" + "a/" * 4000, READ)
    assert not rules_allow([("/" + "a*" * 30 + "b", READ, True)], "/" + "a" * 4000, READ)  # and quickly


# ---- guests ----


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime(cache_dir=guests.BUILD / "compiled") as runtime:
        yield runtime


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("data/in/deep", "data/out", "data/secret/deep", "outside"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("data/in/a.txt", "data/in/a.key", "data/in/deep/b.txt", "data/secret/s.txt", "data/secret/deep/t.txt"):
        (tmp_path / name).write_text(f"<{name}>")
    (tmp_path / "outside/x.txt").write_text("<outside>")
    return tmp_path


class Guest:
    def __init__(self, runtime: Runtime, tree: Path, *rules: tuple[str, Any, bool]) -> None:
        self.tree = tree
        self.tool = Tool(
            runtime.open(guests.build("files")),
            style="command",
            argv=("files",),
            folders=[(tree / "data", f"{tree}/data", True)],
            rules=[(f"{tree}/{pattern}", access, allow) for pattern, access, allow in rules],
            timeout_ns=20_000_000_000,
        )

    def __call__(self, op: str, path: str, to: str = "") -> Any:
        asked = {"op": op, "path": f"{self.tree}/{path}", "to": f"{self.tree}/{to}" if op == "rename" else to}
        result = self.tool.call(json.dumps(asked).encode())
        assert result.status == "ok", result.detail
        said = json.loads(result.output)
        return said.get("content", said.get("errno"))


@pytest.fixture
def guest(runtime: Runtime, tree: Path) -> Guest:
    return Guest(
        runtime,
        tree,
        ("data/**", CHANGE, True),
        ("data/secret/**", CHANGE, False),
        ("data/**/*.key", ("read", "write"), False),
        ("data/secret/s.txt", READ, True),
    )


def test_denials_inside_an_allowed_folder_hold(guest: Guest) -> None:
    assert guest("read", "data/in/a.txt") == "<data/in/a.txt>"
    assert guest("read", "data/in/deep/b.txt") == "<data/in/deep/b.txt>"
    assert guest("read", "data/secret/deep/t.txt") == ACCES
    assert guest("read", "data/in/a.key") == ACCES
    assert guest("write", "data/in/a.key") == ACCES
    assert guest("read", "data/secret/s.txt") == "<data/secret/s.txt>"  # allowed by its name
    assert guest("write", "data/secret/s.txt") == ACCES
    assert guest("write", "data/secret/new") == ACCES
    assert guest("delete", "data/secret/s.txt") == ACCES
    assert guest("write", "data/out/new") == ""


def test_lists_leave_out_what_may_not_be_read(guest: Guest) -> None:
    assert sorted(guest("list", "data/in").split()) == ["a.txt", "deep"]
    assert sorted(guest("list", "data").split()) == ["in", "out"]
    assert guest("list", "data/secret") == ACCES


@pytest.mark.parametrize("target", ["data/secret/deep/t.txt", "outside/x.txt"])
def test_links_lead_nowhere_that_is_denied(guest: Guest, tree: Path, target: str) -> None:
    (tree / "data/out/absolute").symlink_to(tree / target)
    (tree / "data/out/relative").symlink_to(os.path.relpath(tree / target, tree / "data/out"))
    (tree / "data/out/folder").symlink_to(os.path.relpath((tree / target).parent, tree / "data/out"))
    (tree / "data/out/self").symlink_to("self")
    for path in ("absolute", "relative", f"folder/{Path(target).name}"):
        assert guest("read", f"data/out/{path}") in (ACCES, NOTCAPABLE)
        assert guest("write", f"data/out/{path}") in (ACCES, NOTCAPABLE)
    assert guest("read", "data/out/self") == LOOP
    assert (tree / target).read_text().startswith("<")


def test_ways_around_by_name(guest: Guest, tree: Path) -> None:
    for path in (
        "data/in/../secret/deep/t.txt",
        "data/./secret//deep/t.txt",
        "data/in/deep/../../secret/deep/t.txt",
        "data/../outside/x.txt",
        "data/../../../../../../etc/passwd",
    ):
        assert isinstance(guest("read", path), int), path
    assert guest("rename", "data/secret/deep/t.txt", "data/out/t.txt") == ACCES
    assert guest("rename", "data/secret", "data/out/moved") == ACCES
    assert guest("rename", "data/in", "data/out/moved") == ACCES  # a.key in it would get another name
    assert guest("rename", "data/in/a.txt", "data/secret/a.txt") == ACCES
    assert guest("rename", "data/in/a.txt", "data/out/b.txt") == ""
    assert guest("link", "data/out/l", "../secret/deep/t.txt") == ""
    assert guest("read", "data/out/l") == ACCES
    assert guest("link", "data/out/m", "/etc/passwd") == PERM
    assert sorted(path.name for path in (tree / "data/secret").iterdir()) == ["deep", "s.txt"]


def test_what_is_no_file_is_nobodys(guest: Guest, tree: Path) -> None:
    os.mkfifo(tree / "data/out/pipe")
    begun = time.monotonic()
    assert guest("read", "data/out/pipe") == ACCES
    assert guest("write", "data/out/pipe") == ACCES
    assert time.monotonic() - begun < 10  # it did not wait for somebody at the other end


def test_a_link_that_changes_all_the_time_never_lets_through(guest: Guest, tree: Path) -> None:
    """Whatever the race: what is judged is what is opened."""
    link, over = tree / "data/out/racing", threading.Event()
    targets = ["../in/a.txt", "../secret/deep/t.txt", "../../outside/x.txt"]

    def race() -> None:
        turn = 0
        while not over.is_set():
            new = link.with_name(f"new{turn % 2}")
            new.symlink_to(targets[turn % 3])
            new.replace(link)
            turn += 1

    link.symlink_to(targets[0])
    thread = threading.Thread(target=race)
    thread.start()
    try:
        seen = {guest("read", "data/out/racing") for _ in range(400)}
    finally:
        over.set()
        thread.join()
    assert seen <= {"<data/in/a.txt>", ACCES, NOTCAPABLE, NOENT}


def test_only_what_is_allowed_without_its_folder(runtime: Runtime, tree: Path) -> None:
    one = Guest(runtime, tree, ("data/in/a.txt", READ, True))
    assert one("read", "data/in/a.txt") == "<data/in/a.txt>"
    assert one("read", "data/in/deep/b.txt") == ACCES
    assert one("list", "data/in") == ACCES
    partly = Guest(runtime, tree, ("data/**", ("read", "write"), True))
    assert partly("write", "data/in/a.txt") == ""
    assert partly("write", "data/in/new") == ACCES
    assert partly("delete", "data/in/a.txt") == ACCES


# ---- a guest that passes nonsense to every function ----

FUNCTIONS = {
    "args_get": "ii", "args_sizes_get": "ii", "clock_res_get": "ii", "clock_time_get": "iIi", "environ_get": "ii",
    "environ_sizes_get": "ii", "fd_advise": "iIIi", "fd_allocate": "iII", "fd_close": "i", "fd_datasync": "i",
    "fd_fdstat_get": "ii", "fd_fdstat_set_flags": "ii", "fd_fdstat_set_rights": "iII", "fd_filestat_get": "ii",
    "fd_filestat_set_size": "iI", "fd_filestat_set_times": "iIIi", "fd_pread": "iiiIi", "fd_prestat_dir_name": "iii",
    "fd_prestat_get": "ii", "fd_pwrite": "iiiIi", "fd_read": "iiii", "fd_readdir": "iiiIi", "fd_renumber": "ii",
    "fd_seek": "iIii", "fd_sync": "i", "fd_tell": "ii", "fd_write": "iiii", "path_create_directory": "iii",
    "path_filestat_get": "iiiii", "path_filestat_set_times": "iiiiIIi", "path_link": "iiiiiii",
    "path_open": "iiiiiIIii", "path_readlink": "iiiiii", "path_remove_directory": "iii", "path_rename": "iiiiii",
    "path_symlink": "iiiii", "path_unlink_file": "iii", "proc_raise": "i", "random_get": "ii", "sched_yield": "",
    "sock_accept": "iii", "sock_recv": "iiiiii", "sock_send": "iiiii", "sock_shutdown": "ii",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_nonsense_is_an_error_number_and_never_more(tmp_path: Path, seed: int) -> None:
    pick = random.Random(seed)
    small = [0, 1, 2, 3, 4, 5, 8, 64, 255, 256, 65528, 65535, 65536, 2**31 - 1, -1, -8, -(2**31)]
    large = [*small, 2**40, 2**63 - 1, -(2**63)]
    (tmp_path / "f").write_text("content")
    imports, calls = [], []
    for name, parameters in FUNCTIONS.items():
        types = " ".join("i64" if one == "I" else "i32" for one in parameters)
        imports.append(f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {types}) (result i32)))')
    for _ in range(1500):
        name = pick.choice(list(FUNCTIONS))
        values = " ".join(
            f"(i64.const {pick.choice(large)})" if one == "I" else f"(i32.const {pick.choice(small)})"
            for one in FUNCTIONS[name]
        )
        calls.append(f"(drop (call ${name} {values}))")
    module = f"""(module {" ".join(imports)} (memory (export "memory") 1) (data (i32.const 0) "f")
        (func (export "_start") {" ".join(calls)}))"""
    engine = Engine(LIBRARY, threads=1)
    program = engine.compile(engine.from_text(module))
    tool = Tool(program, style="command", argv=("x",), env=[("A", "b")], folders=[(tmp_path, "/", True)])
    result = tool.call(b"{}")
    assert result.status in ("ok", "guest_error", "result_too_large"), result.detail
    engine.close()


def test_descriptors_run_out_with_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    module = """(module
      (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1) (data (i32.const 100) "f")
      (func (export "_start") (local $e i32)
        (loop $again
          (local.set $e (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 0)
            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
          (br_if $again (i32.eqz (local.get $e))))
        (call $exit (local.get $e))))"""
    engine = Engine(LIBRARY, threads=1)
    tool = Tool(
        engine.compile(engine.from_text(module)), style="command", argv=("x",), folders=[(tmp_path, "/", False)]
    )
    assert tool.call(b"{}").exit_status == 33  # and what the engine opens for itself is open
    assert at_rest(engine)
    before = len(list(Path("/proc/self/fd").iterdir()))
    results = [tool.call(b"{}") for _ in range(5)]
    assert {result.exit_status for result in results} == {33}  # too many
    assert at_rest(engine)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    engine.close()


# ---- servers ----


def test_a_server_keeps_to_a_denial_inside(tree: Path) -> None:
    config = tree / "c.yaml"
    config.write_text(f"""
runtime: {{wasm: {{module_path: {guests.build("files")}}}}}
policy: {{core: {{storage: {{allow: ["{tree}/data/**"], deny: ["{tree}/data/secret/**", "{tree}/**/*.key"]}}}}}}
""")
    with http_server("--config", str(config)) as server:

        def read(path: str) -> Any:
            result = server.call("files", {"op": "read", "path": f"{tree}/{path}"}).json["result"]
            return result.get("structuredContent") or result["content"][0]["text"]

        assert read("data/in/a.txt") == "<data/in/a.txt>"
        assert read("data/secret/s.txt") == {"errno": ACCES}
        assert read("data/in/a.key") == {"errno": ACCES}
