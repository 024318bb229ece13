"""mcpkit install: write a server into the configuration of an MCP client, or take it out."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mcpkit.cli import exits, options
from mcpkit.cli.exits import CliError
from mcpkit.cli.install.clients import CLIENTS, Client, Machine, is_ours, local_entry, remote_entry
from mcpkit.cli.install.edit import Editor
from mcpkit.cli.install.errors import InstallError, SyntaxFaultError
from mcpkit.cli.install.files import File
from mcpkit.cli.terminal import colours, paint

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.S)


def run(args: argparse.Namespace) -> int:
    machine = Machine(sys.platform, os.environ, Path.home(), Path.cwd())
    if args.client is None:
        if args.files or args.config or args.http is not None or args.remove:
            raise CliError(f"name the client with --client: {', '.join(CLIENTS)}")
        _list(machine, args.json)
        return exits.OK
    client = CLIENTS[args.client]
    try:
        file = File(machine.file(client, args.scope))
        report = _remove(args, client, file) if args.remove else _add(args, client, file)
    except InstallError as error:
        raise CliError(str(error), exits.CANNOT_LOAD) from None
    if args.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    return exits.OK


def _add(args: argparse.Namespace, client: Client, file: File) -> dict[str, Any]:
    if args.http is not None:
        entry = remote_entry(client, _url(args))
    else:
        entry = local_entry(client, _command(args), _env(args))
    name = _name(args)
    with _faults_of(file):
        editor = Editor(file.text, client.comments)
        old = editor.entry(client.key, name)
        if old is not None and not args.force and not _same_server(old, entry, client):
            raise InstallError(
                f"{file.path}: the server {name!r} there is another one; choose a --name, or replace it with --force"
            )
        editor.put(client.key, name, entry)
    action = "unchanged" if editor.text == file.text else "added" if old is None else "replaced"
    return _finish(args, client, file, editor.text, name, action)


def _remove(args: argparse.Namespace, client: Client, file: File) -> dict[str, Any]:
    name = _name(args)
    with _faults_of(file):
        editor = Editor(file.text, client.comments)
        old = editor.entry(client.key, name)
        if old is None:
            return _finish(args, client, file, file.text, name, "absent", editor.names(client.key))
        if not (args.name or args.force or is_ours(old)):
            raise InstallError(
                f"{file.path}: the server {name!r} there is another one; give --name {name} to remove it"
            )
        editor.drop(client.key, name)
    return _finish(args, client, file, editor.text, name, "removed")


@contextmanager
def _faults_of(file: File) -> Iterator[None]:
    """Faults of the file's text, with the file's name before them."""
    try:
        yield
    except SyntaxFaultError as fault:
        raise InstallError(f"{file.path}:{fault}") from None


def _finish(
    args: argparse.Namespace,
    client: Client,
    file: File,
    text: str,
    name: str,
    action: str,
    others: list[str] | None = None,
) -> dict[str, Any]:
    """Write what is to be written, and say so."""
    changes = action not in ("unchanged", "absent")
    diff = file.diff(text) if changes else ""
    backup = None
    if changes and not args.json and (args.dry_run or sys.stdout.isatty()):
        print(_coloured(diff), end="")
    if changes and not args.dry_run:
        backup = file.replace(text)
    if not args.json:
        print(_sentence(args, client, file, name, action, others or []), file=sys.stderr)
        if backup is not None:
            print(f"what it was before: {backup}", file=sys.stderr)
        if changes and not args.dry_run:
            print(client.then, file=sys.stderr)
    return {
        "client": client.name,
        "file": str(file.path),
        "name": name,
        "action": action,
        "written": changes and not args.dry_run,
        "backup": str(backup) if backup is not None else None,
        "diff": diff,
    }


def _sentence(args: argparse.Namespace, client: Client, file: File, name: str, action: str, others: list[str]) -> str:
    if action == "unchanged":
        return f"{file.path} has {name!r} like this already"
    if action == "absent":
        known = f"; it has {', '.join(others)}" if others else ""
        return f"{file.path} has no server {name!r}{known}"
    if args.dry_run:
        return f"nothing was written: {name!r} would be {action}"
    return f"{client.title}: {action} {name!r} in {file.path}"


def _same_server(old: Any, entry: dict[str, Any], client: Client) -> bool:
    """Whether an entry may be replaced without asking: it starts mcpkit, or has the same URL."""
    if is_ours(old):
        return True
    return isinstance(old, dict) and client.url in entry and old.get(client.url) == entry[client.url]


# --- what the entry says ---


def _command(args: argparse.Namespace) -> list[str]:
    """Program and arguments that start the server, with absolute paths: clients start it in a folder of their own."""
    options.named(args)  # one that cannot be loaded would only fail later, where nobody sees it
    paths = options.files(args.files)
    if not paths and args.config is None:
        raise CliError("nothing to serve; name a module (FILE.wasm), a configuration (--config) or a URL (--http)")
    words = ["server"]
    if args.config is not None:
        for name in args.config:
            words += ["--config", os.path.abspath(name)]  # noqa: PTH100 -- links on the way may be meant
    return [*_program(), *words, *(os.path.abspath(path) for path in paths)]  # noqa: PTH100


def _program() -> list[str]:
    """The command that runs this mcpkit, wherever it is started from."""
    started = Path(sys.argv[0]).absolute()
    beside = Path(sysconfig.get_path("scripts"), "mcpkit.exe" if sys.platform == "win32" else "mcpkit")
    for program in (started, beside):
        if program.stem == "mcpkit" and program.suffix in ("", ".exe") and program.is_file():
            return [str(program)]
    return [sys.executable, "-m", "mcpkit"]


def _url(args: argparse.Namespace) -> str:
    """The URL of a server that listens: --http's, or the configuration's."""
    if args.files:
        raise CliError(
            "--http names a server that listens already and takes no files; they belong to mcpkit server --http"
        )
    if args.env:
        raise CliError("--env is for a server that the client starts; one with a URL runs already")
    config = options.named(args)
    if not args.http:
        host, port = (config.server.bind, config.server.port) if config is not None else ("127.0.0.1", 3000)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared with, not bound
        return f"http://[{host}]:{port}/mcp" if ":" in host else f"http://{host}:{port}/mcp"
    url = str(args.http)
    if "://" not in url:
        host, port = options.address(url)
        return f"http://[{host}]:{port}/mcp" if ":" in host else f"http://{host}:{port}/mcp"
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"\s", url)
    except ValueError:
        good = False
    if not good:
        raise CliError(f"--http {url}: not an http:// or https:// URL")
    if parts.username is not None or parts.password is not None:
        raise CliError("--http: a password does not belong into a URL; use the client's headers")
    if parts.path in ("", "/"):
        raise CliError(f"--http {url}: the URL has no path; MCP servers mostly listen at {url.rstrip('/')}/mcp")
    return url


def _env(args: argparse.Namespace) -> dict[str, str]:
    variables: dict[str, str] = {}
    for text in args.env or ():
        found = VARIABLE.fullmatch(text)
        if found is None:
            raise CliError(f"--env {text}: write NAME=VALUE")
        variables[found[1]] = found[2]
    return variables


def _name(args: argparse.Namespace) -> str:
    """The server's name: as given, or after the configuration or the only file."""
    if args.name is not None:
        if NAME.fullmatch(args.name) is None:
            raise CliError(f"--name {args.name}: use 1 to 64 letters, digits, - and _, which every client takes")
        return str(args.name)
    config = options.named(args)
    name = config.server.name if config is not None else Path(args.files[0]).stem if len(args.files) == 1 else "mcpkit"
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:64] or "mcpkit"


# --- what is shown ---


def _list(machine: Machine, as_json: bool) -> None:
    rows = []
    for client in CLIENTS.values():
        user = machine.file(client, "user")
        rows.append(
            {
                "client": client.name,
                "title": client.title,
                "user": str(user),
                "found": user.exists(),
                "project": client.project,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        found = "found" if row["found"] else "-"
        print(f"{row['client']:<16} {found:<6} {row['user']}" + (f", {row['project']}" if row["project"] else ""))


def _coloured(diff: str) -> str:
    if not colours(sys.stdout):
        return diff
    codes = {"+": "32", "-": "31", "@": "36"}
    lines = diff.splitlines(True)
    return "".join(paint(line[:-1], codes[line[0]], sys.stdout) + "\n" if line[0] in codes else line for line in lines)
