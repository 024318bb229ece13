"""`mcpkit install` on real files in homes of their own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpkit.cli import exits, parser
from mcpkit.cli.install.clients import CLIENTS, Machine, is_ours
from mcpkit.cli.install.edit import Editor
from mcpkit.cli.install.errors import InstallError, SyntaxFaultError
from mcpkit.cli.install.files import File
from mcpkit.cli.install.jsonc import parse
from servers import ADD_WAT, initialize, legacy

ROOT = Path(__file__).resolve().parent.parent


class Desk:
    """A home, a project folder in it, and the command run there."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.project = root / "home" / "project"
        self.project.mkdir(parents=True)
        self.tool = self.project / "add.wat"
        self.tool.write_text(ADD_WAT)

    def install(self, *words: str) -> subprocess.CompletedProcess[str]:
        away = ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "APPDATA")
        env = {key: value for key, value in os.environ.items() if key not in away}
        env |= {"HOME": str(self.home), "USERPROFILE": str(self.home), "PYTHONPATH": str(ROOT / "src")}
        return subprocess.run(
            [sys.executable, "-m", "mcpkit", "install", *words],
            cwd=self.project,
            env=env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def done(self, *words: str) -> dict[str, Any]:
        """The report of a run that must succeed."""
        run = self.install(*words, "--json")
        assert run.returncode == 0, run.stderr
        report: dict[str, Any] = json.loads(run.stdout)
        return report

    def refused(self, *words: str, status: int = exits.CANNOT_LOAD) -> str:
        """What a run that must fail says; nothing may have changed."""
        before = self.files()
        run = self.install(*words)
        assert (run.returncode, run.stdout) == (status, "")
        assert self.files() == before
        return run.stderr

    def files(self) -> dict[str, bytes]:
        found = [path for path in self.home.rglob("*") if path.is_file() and "mcpkit" not in path.parts]
        return {str(path.relative_to(self.home)): path.read_bytes() for path in found}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("client", [name for name in CLIENTS if sys.platform == "linux" or name == "cursor"])
def test_what_is_written_starts_the_server(desk: Desk, client: str) -> None:
    report = desk.done("--client", client, "add.wat")
    document = json.loads(Path(report["file"]).read_text(encoding="utf-8"))
    entry = document[CLIENTS[client].key]["add"]
    assert (report["action"], report["written"], report["backup"]) == ("added", True, None)
    assert Path(entry["command"]).is_absolute()
    assert entry["args"][-1] == str(desk.tool)
    assert entry.get("type") == CLIENTS[client].local.get("type")
    ended = subprocess.run(
        [entry["command"], *entry["args"]],
        cwd="/",
        env={"HOME": str(desk.home), "PYTHONPATH": str(ROOT / "src")},
        input=b"".join(json.dumps(m).encode() + b"\n" for m in (initialize(), legacy("tools/list"))),
        capture_output=True,
        timeout=60,
        check=True,
    )
    listed = json.loads(ended.stdout.splitlines()[-1])
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["add", "spin"]


@pytest.mark.parametrize(
    ("client", "url", "more"),
    [
        ("claude-code", "url", {"type": "http"}),
        ("vscode", "url", {"type": "http"}),
        ("cursor", "url", {}),
        ("windsurf", "serverUrl", {}),
        ("gemini-cli", "httpUrl", {}),
        ("zed", "url", {}),
    ],
)
def test_a_server_that_listens_already(desk: Desk, client: str, url: str, more: dict[str, str]) -> None:
    report = desk.done("--client", client, "--name", "far", "--http", "https://tools.example.org/mcp")
    document = json.loads(Path(report["file"]).read_text(encoding="utf-8"))
    assert document == {CLIENTS[client].key: {"far": {url: "https://tools.example.org/mcp", **more}}}


def test_http_without_a_url_takes_the_configurations_address(desk: Desk) -> None:
    config = desk.project / "config.yaml"
    config.write_text("version: '1.0'\nserver: {name: my tools, bind: 0.0.0.0, port: 4001}\n")
    report = desk.done("--client", "cursor", "--config", "config.yaml", "--http")
    document = json.loads(Path(report["file"]).read_text(encoding="utf-8"))
    assert document == {"mcpServers": {"my-tools": {"url": "http://127.0.0.1:4001/mcp"}}}
    desk.done("--client", "cursor", "--name", "plain", "--http", "localhost:8080")
    document = json.loads(Path(report["file"]).read_text(encoding="utf-8"))
    assert document["mcpServers"]["plain"] == {"url": "http://localhost:8080/mcp"}


@pytest.mark.parametrize(
    ("client", "file"),
    [
        ("claude-code", ".mcp.json"),
        ("vscode", ".vscode/mcp.json"),
        ("cursor", ".cursor/mcp.json"),
        ("gemini-cli", ".gemini/settings.json"),
    ],
)
def test_files_of_a_project(desk: Desk, client: str, file: str) -> None:
    report = desk.done("--client", client, "--scope", "project", "--env", "LEVEL=a=b", "add.wat")
    assert report["file"] == str(desk.project / file)
    entry = json.loads((desk.project / file).read_text(encoding="utf-8"))[CLIENTS[client].key]["add"]
    assert entry["env"] == {"LEVEL": "a=b"}


# What was there

COMMENTED = """\
// Servers of this machine.
{
\t"inputs": [
\t\t{ "id": "key", "type": "promptString" }, // asked once
\t],
\t"servers": {
\t\t/* the other one */
\t\t"github": {
\t\t\t"type": "http",
\t\t\t"url": "https://github.example/mcp/", // remote
\t\t}, // keep
\t\t// nothing after this
\t},
}
"""


def test_comments_and_layout_stay(desk: Desk) -> None:
    file = desk.project / ".vscode" / "mcp.json"
    file.parent.mkdir()
    file.write_text(COMMENTED)
    report = desk.done("--client", "vscode", "--scope", "project", "--name", "add", "add.wat")
    text = file.read_text()
    lines = text.splitlines()
    assert [line for line in lines if line in COMMENTED.splitlines()] == COMMENTED.splitlines()
    start = lines.index("\t\t// nothing after this") + 1
    assert lines[start : start + 2] == ['\t\t"add": {', '\t\t\t"type": "stdio",']
    assert lines[-3:] == ["\t\t},", "\t},", "}"]
    assert Path(report["backup"]).read_text() == COMMENTED

    assert desk.done("--client", "vscode", "--scope", "project", "--name", "add", "add.wat")["action"] == "unchanged"
    assert desk.done("--client", "vscode", "--scope", "project", "--name", "add", "--remove")["action"] == "removed"
    assert file.read_text() == COMMENTED


def test_other_members_of_an_entry_stay(desk: Desk) -> None:
    file = desk.home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    old = {"command": "/old/bin/mcpkit", "args": ["server", "gone.wasm"], "env": {"KEY": "secret"}, "disabled": True}
    file.write_text(json.dumps({"theme": "dark", "mcpServers": {"a": {"command": "x"}, "add": old}}, indent=4))
    file.chmod(0o600)
    report = desk.done("--client", "cursor", "--env", "MORE=1", "add.wat")
    document = json.loads(file.read_text())
    entry = document["mcpServers"].pop("add")
    assert report["action"] == "replaced"
    assert document == {"theme": "dark", "mcpServers": {"a": {"command": "x"}}}
    assert (entry["env"], entry["disabled"]) == ({"KEY": "secret", "MORE": "1"}, True)
    assert entry["args"][-1] == str(desk.tool)
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(Path(report["backup"]).stat().st_mode) == 0o600
    assert '\n    "theme"' in file.read_text()

    desk.done("--client", "cursor", "--name", "add", "--force", "--http", "http://localhost:3000/mcp")
    entry = json.loads(file.read_text())["mcpServers"]["add"]
    assert entry == {
        "env": {"KEY": "secret", "MORE": "1"},
        "disabled": True,
        "url": "http://localhost:3000/mcp",
    }
    assert len(list(file.parent.glob("mcp.json.*.bak"))) == 2


def test_entries_of_others_are_not_replaced_unasked(desk: Desk) -> None:
    file = desk.home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text('{"mcpServers":{"add":{"command":"npx","args":["-y","add"]}}}')
    assert "choose a --name, or replace it with --force" in desk.refused("--client", "cursor", "add.wat")
    assert "give --name add" in desk.refused("--client", "cursor", "--remove", "add.wat")
    desk.done("--client", "cursor", "--force", "add.wat")
    assert is_ours(json.loads(file.read_text())["mcpServers"]["add"])
    assert "\n" not in file.read_text()  # as it was
    assert desk.done("--client", "cursor", "--remove", "add.wat")["action"] == "removed"
    assert file.read_text() == '{"mcpServers":{}}'


def test_windows_line_ends_and_byte_order_mark_stay(desk: Desk) -> None:
    file = desk.home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_bytes(b'\xef\xbb\xbf{\r\n  "mcpServers": {\r\n    "a": {}\r\n  }\r\n}\r\n')
    desk.done("--client", "cursor", "add.wat")
    data = file.read_bytes()
    assert data.startswith(b'\xef\xbb\xbf{\r\n  "mcpServers": {\r\n    "a": {},\r\n    "add": {\r\n')
    assert data.count(b"\r\n") == data.count(b"\n")


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
def test_a_link_stays_a_link(desk: Desk) -> None:
    real = desk.home / "dotfiles" / "mcp.json"
    real.parent.mkdir()
    real.write_text("")
    link = desk.home / ".cursor" / "mcp.json"
    link.parent.mkdir()
    link.symlink_to(real)
    desk.done("--client", "cursor", "add.wat")
    assert link.is_symlink()
    assert "add" in json.loads(real.read_text())["mcpServers"]


def test_a_dry_run_shows_and_writes_nothing(desk: Desk) -> None:
    before = desk.files()
    run = desk.install("--client", "cursor", "--dry-run", "add.wat")
    assert run.returncode == 0
    assert '+    "add": {' in run.stdout
    assert "nothing was written" in run.stderr
    assert desk.files() == before
    assert desk.done("--client", "cursor", "--dry-run", "add.wat")["written"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_the_change_is_shown(desk: Desk) -> None:
    import pty

    ours, theirs = pty.openpty()
    env = {**os.environ, "HOME": str(desk.home), "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
    env.pop("XDG_CONFIG_HOME", None)
    words = [sys.executable, "-m", "mcpkit", "install", "--client", "cursor", "add.wat"]
    subprocess.run(words, cwd=desk.project, env=env, stdout=theirs, stderr=subprocess.DEVNULL, check=True, timeout=60)
    os.close(theirs)
    assert b'+    "add": {' in os.read(ours, 65536)
    os.close(ours)
    assert (desk.home / ".cursor" / "mcp.json").exists()


def test_removing_what_is_not_there(desk: Desk) -> None:
    run = desk.install("--client", "cursor", "--name", "x", "--remove")
    assert run.returncode == 0
    assert "has no server 'x'" in run.stderr
    assert not (desk.home / ".cursor").exists()


# What is refused


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{\n  "mcpServers": {,}\n}', ":2:18: expected a key"),
        ('{\n  "mcpServers": {}\n', ":3:1: expected"),
        ('{"mcpServers": {}} x', ":1:20: text after the end"),
        ('{"mcpServers": {"a": tru}}', ":1:22: no value"),
        ('{"a": "b\n"}', ":1:7: a string without an end"),
        ('{"a": "\\q"}', ":1:8: Invalid"),
        ("{\n// mine\n}", ":2:1: a comment; this file is plain JSON"),
        ('{"a": 1,}', ':1:8: a comma before "}"'),
        ("[]", ":1:1: the file must hold one JSON object"),
        ('{"mcpServers": []}', ':1:16: "mcpServers" must be an object'),
        ('{"mcpServers": {}, "mcpServers": {}}', ':1:20: "mcpServers" stands twice'),
        ("[" * 300, "nested more than 200 deep"),
    ],
)
def test_malformed_files_are_refused_with_the_place(desk: Desk, text: str, says: str) -> None:
    file = desk.project / ".mcp.json"
    file.write_text(text)
    assert f"{file}" in (said := desk.refused("--client", "claude-code", "--scope", "project", "add.wat"))
    assert says in said


def test_files_that_are_not_text(desk: Desk) -> None:
    (desk.project / ".mcp.json").write_bytes(b'{"a": "\xff"}')
    said = desk.refused("--client", "claude-code", "--scope", "project", "add.wat")
    assert "not UTF-8: byte 7 is 0xff" in said


def test_a_comment_is_never_lost(desk: Desk) -> None:
    file = desk.project / ".vscode" / "mcp.json"
    file.parent.mkdir()
    text = '{"servers": {"add": {"command": "/usr/bin/mcpkit",\n "args": ["server", /* mine */ "x.wasm"]}}}'
    file.write_text(text)
    for words in (("add.wat",), ("--remove",)):
        said = desk.refused("--client", "vscode", "--scope", "project", "--name", "add", *words)
        assert "a comment inside servers.add" in said
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--client", "claude-desktop", "--http", "https://a.example/mcp"), exits.CANNOT_LOAD, "Connectors"),
        (("--client", "windsurf", "--scope", "project", "add.wat"), exits.CANNOT_LOAD, "--scope user"),
        (("--client", "cursor"), exits.USAGE, "nothing to serve"),
        (("--client", "cursor", "missing.wasm"), exits.CANNOT_LOAD, "there is no file missing.wasm"),
        (("--client", "cursor", "--config", "missing.yaml"), exits.CANNOT_LOAD, "missing.yaml"),
        (("--client", "cursor", "--name", "a b", "add.wat"), exits.USAGE, "letters, digits"),
        (("--client", "cursor", "--env", "1X=2", "add.wat"), exits.USAGE, "NAME=VALUE"),
        (("--client", "cursor", "--http", "https://a.example"), exits.USAGE, "https://a.example/mcp"),
        (("--client", "cursor", "--http", "https://u:p@a.example/mcp"), exits.USAGE, "password"),
        (("--client", "cursor", "--http", "https://a b/mcp"), exits.USAGE, "not an http:// or https:// URL"),
        (("--client", "cursor", "--http", "https://[a/mcp"), exits.USAGE, "not an http:// or https:// URL"),
        (("--client", "cursor", "--http", "https://a.example/mcp", "add.wat"), exits.USAGE, "takes no files"),
        (("--client", "emacs", "add.wat"), exits.USAGE, "invalid choice"),
        (("add.wat",), exits.USAGE, "--client"),
    ],
)
def test_what_is_refused(desk: Desk, words: tuple[str, ...], status: int, says: str) -> None:
    assert says in desk.refused(*words, status=status)


def test_a_change_by_another_program_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("{}")
    file = File(path)
    path.write_text('{"new": 1}')
    with pytest.raises(InstallError, match="another program changed it"):
        file.replace('{"ours": 1}')
    assert path.read_text() == '{"new": 1}'
    assert not list(tmp_path.glob(".*"))


# Where the files are


def test_every_client_is_offered_and_listed(desk: Desk) -> None:
    assert tuple(CLIENTS) == parser.CLIENTS
    rows = json.loads(desk.install("--json").stdout)
    assert [row["client"] for row in rows] == list(CLIENTS)
    assert all(row["client"] in desk.install().stdout for row in rows)


@pytest.mark.parametrize(
    ("system", "environ", "client", "path"),
    [
        ("linux", {}, "claude-desktop", "/h/.config/Claude/claude_desktop_config.json"),
        ("linux", {"XDG_CONFIG_HOME": "/x"}, "claude-desktop", "/x/Claude/claude_desktop_config.json"),
        ("linux", {"XDG_CONFIG_HOME": "relative"}, "zed", "/h/.config/zed/settings.json"),
        ("darwin", {}, "claude-desktop", "/h/Library/Application Support/Claude/claude_desktop_config.json"),
        ("win32", {"APPDATA": "/r"}, "claude-desktop", "/r/Claude/claude_desktop_config.json"),
        ("win32", {}, "claude-desktop", "/h/AppData/Roaming/Claude/claude_desktop_config.json"),
        ("linux", {}, "claude-code", "/h/.claude.json"),
        ("darwin", {"CLAUDE_CONFIG_DIR": "/c"}, "claude-code", "/c/.claude.json"),
        ("linux", {}, "vscode", "/h/.config/Code/User/mcp.json"),
        ("darwin", {}, "vscode", "/h/Library/Application Support/Code/User/mcp.json"),
        ("win32", {"APPDATA": "/r"}, "vscode", "/r/Code/User/mcp.json"),
        ("win32", {"APPDATA": "/r"}, "vscode-insiders", "/r/Code - Insiders/User/mcp.json"),
        ("win32", {"APPDATA": "/r"}, "cursor", "/h/.cursor/mcp.json"),
        ("darwin", {}, "windsurf", "/h/.codeium/windsurf/mcp_config.json"),
        ("darwin", {}, "gemini-cli", "/h/.gemini/settings.json"),
        ("darwin", {}, "zed", "/h/.config/zed/settings.json"),
        ("win32", {"APPDATA": "/r"}, "zed", "/r/Zed/settings.json"),
    ],
)
def test_paths_of_every_platform(system: str, environ: dict[str, str], client: str, path: str) -> None:
    machine = Machine(system, environ, Path("/h"), Path("/h/p"))
    assert machine.file(CLIENTS[client], "user").as_posix() == path


# The editor, on any text

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(-1e9, 1e9)
KEYS = st.sampled_from(["mcpServers", "a", "b", "ä", 'q"', ""])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
ENTRIES = st.dictionaries(st.sampled_from(["command", "args", "url", "type", "env", "x"]), VALUES, max_size=4)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=3) | st.fixed_dictionaries(
    {"mcpServers": st.dictionaries(KEYS, ENTRIES, max_size=3)}, optional={"b": VALUES}
)
GAPS = ["", " ", "\n", "\t", " // c\n", '/* " { */', "\r\n  "]


@st.composite
def layouts(draw: st.DrawFn, document: Any, lenient: bool) -> str:
    """A text of a value with white space, comments and trailing commas wherever they may stand."""
    gaps = st.sampled_from(GAPS if lenient else [gap for gap in GAPS if "/" not in gap])

    def put(value: Any) -> str:
        if isinstance(value, (dict, list)):
            pairs = value.items() if isinstance(value, dict) else ((None, item) for item in value)
            parts = [
                (f"{json.dumps(key)}{draw(gaps)}:{draw(gaps)}" if key is not None else "") + put(item)
                for key, item in pairs
            ]
            body = ",".join(draw(gaps) + part + draw(gaps) for part in parts)
            if parts and lenient and draw(st.booleans()):
                body += "," + draw(gaps)
            left, right = "{}" if isinstance(value, dict) else "[]"
            return left + (body or draw(gaps)) + right
        return json.dumps(value)

    return draw(gaps) + put(document) + draw(gaps)


def covers(put: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; objects may have more."""
    if isinstance(wanted, dict):
        return isinstance(put, dict) and all(key in put and covers(put[key], value) for key, value in wanted.items())
    return bool(put == wanted)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), document=DOCUMENTS, name=KEYS, entry=ENTRIES, lenient=st.booleans())
def test_the_editor_changes_one_entry_and_nothing_else(
    data: st.DataObject, document: dict[str, Any], name: str, entry: dict[str, Any], lenient: bool
) -> None:
    text = data.draw(layouts(document, lenient))
    editor = Editor(text, lenient)
    assert editor.root.data == document
    try:
        editor.put("mcpServers", name, entry)
    except SyntaxFaultError:
        commented = "//" in text or "/*" in text
        assert commented or not isinstance(document["mcpServers"], dict)
        return
    after = parse(editor.text, lenient).data
    put = after["mcpServers"][name]
    assert covers(put, entry)
    untouched = {key: value for key, value in document.items() if key != "mcpServers"}
    assert {key: value for key, value in after.items() if key != "mcpServers"} == untouched
    others = {key: value for key, value in document.get("mcpServers", {}).items() if key != name}
    assert {key: value for key, value in after["mcpServers"].items() if key != name} == others
    for comment in ("// c", '/* " { */'):
        assert editor.text.count(comment) == text.count(comment)

    settled = editor.text
    editor.put("mcpServers", name, entry)
    assert editor.text == settled
    try:
        editor.drop("mcpServers", name)
    except SyntaxFaultError:
        return
    assert parse(editor.text, lenient).data == {**untouched, "mcpServers": others}
    for comment in ("// c", '/* " { */'):
        assert editor.text.count(comment) == text.count(comment)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='{}[]",:/*\\ \nabt0-.', max_size=40), st.booleans())
def test_any_text_is_read_or_refused(text: str, lenient: bool) -> None:
    try:
        value = parse(text, lenient)
    except SyntaxFaultError:
        return
    if not lenient:
        assert value.data == json.loads(text)
