"""Rules about paths, kept for core modules to the single file, whatever a guest tries. # A63"""

from __future__ import annotations

import json
import os
import random
import resource
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


def test_folders_are_renamed_only_where_all_in_them_is_allowed_anyway(runtime: Runtime, tree: Path) -> None:
    """What no rule allows must not come to be allowed under another name."""
    some = Guest(runtime, tree, ("data/*", CHANGE, True), ("data/out/**", CHANGE, True))
    assert some("read", "data/in/a.txt") == ACCES
    assert some("rename", "data/in", "data/out/in") == ACCES
    assert some("rename", "data/out", "data/in/out") == ACCES
    assert (tree / "data/in/a.txt").exists()
    whole = Guest(runtime, tree, ("data/**", ("read", "delete"), True), ("data/**", ("write", "create"), True))
    assert whole("rename", "data/in/deep", "data/out/deep") == ""
    assert whole("read", "data/out/deep/b.txt") == "<data/in/deep/b.txt>"
    lists = Guest(runtime, tree, ("data/**", ("read", "create", "delete"), True), ("data/out/**", CHANGE, True))
    assert lists("rename", "data/secret", "data/out/secret") == ACCES  # its files cannot be written where they are


@pytest.mark.parametrize(
    "path", ["self/environ", "self/mem", "self/maps", "self/root/etc/passwd", "self/fd/0", "version"]
)
def test_processes_are_no_files(runtime: Runtime, path: str) -> None:
    """Not even where everything is allowed: the server's own memory is there."""
    whole = Tool(
        runtime.open(guests.build("files")),
        style="command",
        argv=("files",),
        folders=[(Path("/"), "/", True), (Path("/proc"), "/processes", True)],
        rules=[("/**", CHANGE, True)],
    )
    for of in ("/proc", "/processes", f"/proc/{os.getpid()}/task/{os.getpid()}/.."):
        for op in ("read", "write", "list", "delete"):
            said = json.loads(whole.call(json.dumps({"op": op, "path": f"{of}/{path}"}).encode()).output)
            assert "errno" in said, said
    assert "content" in json.loads(whole.call(b'{"op": "list", "path": "/dev"}').output)


def test_slashes_at_the_end_mean_folders(guest: Guest, tree: Path) -> None:
    notdir, isdir = 54, 31
    assert guest("read", "data/in/a.txt/") == notdir
    assert guest("write", "data/out/new/") == isdir
    assert guest("delete", "data/in/a.txt/") == notdir
    assert guest("rename", "data/in/a.txt/", "data/out/b.txt") == notdir
    assert guest("rename", "data/in/a.txt", "data/out/b.txt/") == notdir
    assert guest("link", "data/out/l/", "b.txt") == NOENT
    assert list((tree / "data/out").iterdir()) == []


def test_a_file_called_deleted_is_one(guest: Guest, tree: Path) -> None:
    """The kernel's own word for files that lost their name."""
    (tree / "data/in/a.key (deleted)").write_text("still here")
    assert guest("read", "data/in/a.key (deleted)") == "still here"


def test_a_file_that_loses_its_name_meanwhile_is_not_judged_by_another(guest: Guest, tree: Path) -> None:
    key, other, over = tree / "data/in/b.key", tree / "data/secret/b.key", threading.Event()
    other.write_text("<key>")

    def race() -> None:
        while not over.is_set():
            key.hardlink_to(other)
            key.unlink()

    thread = threading.Thread(target=race)
    thread.start()
    try:
        seen = {guest("read", "data/in/b.key") for _ in range(400)}
    finally:
        over.set()
        thread.join()
    assert seen <= {ACCES, NOENT}


def test_a_granted_folder_that_became_a_link_is_gone(runtime: Runtime, tree: Path) -> None:
    """Whoever may write beside it, another guest perhaps, cannot make it lead elsewhere."""
    one = Guest(runtime, tree)
    assert one("read", "data/in/a.txt") == "<data/in/a.txt>"
    (tree / "data").rename(tree / "moved")
    (tree / "data").symlink_to("outside")
    assert isinstance(one("read", "data/x.txt"), int)
    component = Tool(runtime.open(guests.build("echo_p2")), style="command", argv=("x",), folders=[(tree, "/t", True)])
    assert component.call(b"{}").status == "ok"
    tree.rename(tree.with_name("moved"))
    tree.symlink_to("/etc")
    assert component.call(b"{}").status == "internal"
    tree.unlink()
    tree.with_name("moved").rename(tree)


def test_folders_may_be_named_through_links(runtime: Runtime, tree: Path) -> None:
    (tree / "alias").symlink_to("data/in")
    program = runtime.open(guests.build("files"))
    one = Tool(program, style="command", argv=("x",), folders=[(tree / "alias", "/in", False)])
    assert json.loads(one.call(b'{"op": "read", "path": "/in/a.txt"}').output) == {"content": "<data/in/a.txt>"}


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


# Every function that takes a path; p stands for a pointer and a length.
BY_PATH = {
    "path_create_directory": "fp", "path_filestat_get": "fipo", "path_filestat_set_times": "fipIIi",
    "path_link": "fipfp", "path_open": "fipiIIio", "path_readlink": "fpoio", "path_remove_directory": "fp",
    "path_rename": "fpfp", "path_symlink": "pfp", "path_unlink_file": "fp",
}  # fmt: skip
NAMES = [
    "f", "d", "d/e", "d/e/../../f", "..", "../outside", "../outside/x", "d/../..", ".", "", "/", "/etc/passwd", "f/",
    "d//e/", "secret", "secret/s", "d/../secret/s", "l", "l/x", "l/../outside/x", "n" * 255, "n" * 256, "d/" * 2000,
    "nul\0f", "\u00e9", "../granted/f", "d/e/new", "new", "secret/new", "../outside/new",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_done_with_paths_nothing_else_changes(tmp_path: Path, seed: int) -> None:
    """Calls by chance, also on folders that earlier ones opened: what is outside or denied stays as it is."""
    pick = random.Random(seed)
    for folder in ("granted/d/e", "granted/secret", "outside"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("granted/f", "granted/d/e/g", "granted/secret/s", "outside/x"):
        (tmp_path / file).write_text(f"<{file}>")
    (tmp_path / "granted/l").symlink_to("../outside")

    def kept() -> list[Any]:
        paths = [tmp_path / "outside", tmp_path / "granted/secret"]
        found = [inner for path in paths for inner in (path, *sorted(path.rglob("*")))]
        return [(path, path.lstat().st_mtime_ns, path.is_file() and path.read_text()) for path in found]

    data, places = bytearray(), []
    for name in NAMES:
        places.append((1024 + len(data), len(name.encode())))
        data += name.encode()
    imports, calls = [], []
    types = {"f": "i32", "i": "i32", "o": "i32", "p": "i32 i32", "I": "i64"}
    for name, parameters in BY_PATH.items():
        signature = " ".join(types[one] for one in parameters)
        imports.append(f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {signature}) (result i32)))')
    for _ in range(3000):
        name = pick.choice(list(BY_PATH))
        values = []
        for one in BY_PATH[name]:
            values += {
                "f": lambda: [f"(i32.const {pick.choice([3, 3, 3, 4, 5, 6, 7, 99])})"],
                "i": lambda: [f"(i32.const {pick.choice([0, 1, 1, 2, 4, 5, 9, 13, 64, -1])})"],
                "o": lambda: [f"(i32.const {pick.choice([0, 128, 512, 65535, -1])})"],
                "I": lambda: [f"(i64.const {pick.choice([0, 2, 64, 66, 2**14, -1])})"],
                "p": lambda: ["(i32.const {}) (i32.const {})".format(*pick.choice(places))],
            }[one]()
        calls.append(f"(drop (call ${name} {' '.join(values)}))")
    text = "".join(f"\\{byte:02x}" for byte in data)
    module = f"""(module {" ".join(imports)} (memory (export "memory") 1) (data (i32.const 1024) "{text}")
        (func (export "_start") {" ".join(calls)}))"""
    engine = Engine(LIBRARY, threads=1)
    tool = Tool(
        engine.compile(engine.from_text(module)),
        style="command",
        argv=("x",),
        folders=[(tmp_path / "granted", "/", True)],
        rules=[(f"{tmp_path}/granted/**", CHANGE, True), (f"{tmp_path}/granted/secret/**", CHANGE, False)],
    )
    before = kept()
    assert tool.call(b"{}").status == "ok"
    assert kept() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["granted", "outside"]
    engine.close()


@pytest.mark.parametrize("seed", range(4))
def test_waiting_for_nonsense(seed: int) -> None:
    pick = random.Random(seed)
    calls = []
    for _ in range(400):
        for at in range(0, 48 * 4, 48):  # userdata, kind, clock or descriptor, time, whether it is absolute
            calls.append(f"(i32.store8 (i32.const {at + 8}) (i32.const {pick.choice([0, 0, 1, 2, 3, 255])}))")
            calls.append(f"(i32.store (i32.const {at + 16}) (i32.const {pick.choice([0, 1, 2, 3, 4, -1])}))")
            calls.append(f"(i64.store (i32.const {at + 24}) (i64.const {pick.choice([0, 1, 1000])}))")
            calls.append(f"(i32.store (i32.const {at + 40}) (i32.const {pick.choice([0, 1, -1])}))")
        values = [
            [0, 0, 0, 65500, 65536, -1],
            [0, 8, 256, 65530, -1],
            [0, 1, 4, 4, 1365, 4096, 4097, -1],
            [192, 65533, -4],
        ]
        calls.append(f"(drop (call $poll {' '.join(f'(i32.const {pick.choice(one)})' for one in values)}))")
    module = f"""(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (func (export "_start") {" ".join(calls)}))"""
    engine = Engine(LIBRARY, threads=1)
    assert Tool(engine.compile(engine.from_text(module)), style="command", argv=("x",)).call(b"{}").status == "ok"
    engine.close()


# Opens a file until it cannot. Its exit status is the error, and how often it could times 100.
OPENS = """(module
      (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1) (data (i32.const 100) "f")
      (func (export "_start") (local $e i32) (local $n i32)
        (loop $again
          (local.set $e (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 0)
            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
          (if (i32.eqz (local.get $e)) (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $again))))
        (call $exit (i32.add (local.get $e) (i32.mul (i32.const 100) (local.get $n))))))"""


def test_descriptors_run_out_with_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    engine = Engine(LIBRARY, threads=1)
    tool = Tool(engine.compile(engine.from_text(OPENS)), style="command", argv=("x",), folders=[(tmp_path, "/", False)])
    assert tool.call(b"{}").exit_status == 25233  # and what the engine opens for itself is open
    assert at_rest(engine)
    before = len(list(Path("/proc/self/fd").iterdir()))
    results = [tool.call(b"{}") for _ in range(5)]
    assert {result.exit_status for result in results} == {25233}  # 256 of its own, four of which it has from the start
    assert at_rest(engine)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    engine.close()


def test_guests_leave_descriptors_for_connections(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    engine = Engine(LIBRARY, threads=1)
    tool = Tool(engine.compile(engine.from_text(OPENS)), style="command", argv=("x",), folders=[(tmp_path, "/", False)])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    try:
        assert tool.call(b"{}").exit_status == 14933  # half of them, and one is its folder
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert at_rest(engine)
    assert tool.call(b"{}").exit_status == 25233
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
