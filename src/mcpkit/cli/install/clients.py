"""The programs that start MCP servers: where their configuration is, and what an entry looks like in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal

from mcpkit.cli.install.errors import InstallError

Scope = Literal["user", "project"]


@dataclass(frozen=True)
class Client:
    """One program."""

    name: str
    title: str
    key: str = "mcpServers"
    """The member of its file that holds the servers."""
    comments: bool = False
    """Whether its file may hold comments and trailing commas."""
    local: Mapping[str, Any] = field(default_factory=dict)
    """What stands in an entry beside command and args."""
    remote: Mapping[str, Any] | None = field(default_factory=dict)
    """What stands in an entry beside its URL; None where the file takes no URLs."""
    url: str = "url"
    """The name of the URL's member."""
    project: str | None = None
    """Its file in a project's folder, with slashes."""
    then: str = "Restart it to load the server."


CLIENTS: Mapping[str, Client] = {
    client.name: client
    for client in (
        Client(
            "claude-desktop",
            "Claude Desktop",
            remote=None,
            then="Quit and start Claude Desktop to load the server.",
        ),
        Client(
            "claude-code",
            "Claude Code",
            local={"type": "stdio"},
            remote={"type": "http"},
            project=".mcp.json",
            then="It is loaded by the next session; /mcp shows it.",
        ),
        Client(
            "vscode",
            "Visual Studio Code",
            key="servers",
            comments=True,
            local={"type": "stdio"},
            remote={"type": "http"},
            project=".vscode/mcp.json",
            then='Start it from the file in the editor, or with "MCP: List Servers".',
        ),
        Client(
            "vscode-insiders",
            "Visual Studio Code Insiders",
            key="servers",
            comments=True,
            local={"type": "stdio"},
            remote={"type": "http"},
            project=".vscode/mcp.json",
            then='Start it from the file in the editor, or with "MCP: List Servers".',
        ),
        Client("cursor", "Cursor", comments=True, project=".cursor/mcp.json", then="Switch it on under Settings, MCP."),
        Client("windsurf", "Windsurf", url="serverUrl", then="Refresh the list of servers in Cascade."),
        Client(
            "gemini-cli",
            "Gemini CLI",
            comments=True,
            url="httpUrl",
            project=".gemini/settings.json",
            then="It is loaded by the next session; /mcp shows it.",
        ),
        Client("zed", "Zed", key="context_servers", comments=True, then="It is loaded as soon as the file is saved."),
    )
}


@dataclass(frozen=True)
class Machine:
    """What decides where files are."""

    system: str
    """sys.platform"""
    environ: Mapping[str, str]
    home: Path
    folder: Path
    """The project's: where the command was started."""

    def file(self, client: Client, scope: Scope) -> Path:
        """The client's configuration file, which need not be there. Raises InstallError where it has none."""
        if scope == "project":
            if client.project is None:
                raise InstallError(f"{client.title} has no configuration file per project; use --scope user")
            return self.folder / client.project
        return self._user(client.name)

    def _user(self, name: str) -> Path:
        match name:
            case "claude-desktop":
                return self._applications() / "Claude" / "claude_desktop_config.json"
            case "claude-code":
                moved = self.environ.get("CLAUDE_CONFIG_DIR")
                return (Path(moved) if moved else self.home) / ".claude.json"
            case "vscode":
                return self._applications() / "Code" / "User" / "mcp.json"
            case "vscode-insiders":
                return self._applications() / "Code - Insiders" / "User" / "mcp.json"
            case "cursor":
                return self.home / ".cursor" / "mcp.json"
            case "windsurf":
                return self.home / ".codeium" / "windsurf" / "mcp_config.json"
            case "gemini-cli":
                return self.home / ".gemini" / "settings.json"
            case "zed":
                if self.system == "win32":
                    return self._applications() / "Zed" / "settings.json"
                return self._xdg() / "zed" / "settings.json"
        raise LookupError(name)

    def _applications(self) -> Path:
        """The folder of applications' settings."""
        if self.system == "darwin":
            return self.home / "Library" / "Application Support"
        if self.system == "win32":
            roaming = self.environ.get("APPDATA")
            return Path(roaming) if roaming else self.home / "AppData" / "Roaming"
        return self._xdg()

    def _xdg(self) -> Path:
        folder = self.environ.get("XDG_CONFIG_HOME", "")
        return Path(folder) if folder.startswith("/") else self.home / ".config"


def local_entry(client: Client, command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    """The entry that starts a server."""
    entry = {**client.local, "command": command[0], "args": list(command[1:])}
    return {**entry, "env": dict(env)} if env else entry


def remote_entry(client: Client, url: str) -> dict[str, Any]:
    """The entry for a server that listens already. Raises InstallError where the client's file takes none."""
    if client.remote is None:
        raise InstallError(
            f"{client.title} takes servers with a URL under Settings, Connectors, not in its file; "
            "name the modules or the --config to start here instead of --http"
        )
    return {**client.remote, client.url: url}


def is_ours(entry: Any) -> bool:
    """Whether an entry starts mcpkit."""
    if not isinstance(entry, dict) or not isinstance(entry.get("command"), str):
        return False
    program = PurePath(entry["command"].replace("\\", "/")).name.lower().removesuffix(".exe")
    args = entry.get("args")
    return program == "mcpkit" or (isinstance(args, list) and args[:2] == ["-m", "mcpkit"])
