"""The command line's grammar. Imports nothing of the package but texts, so that --help is quick."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from mcpkit.cli import exits

METER_FORMATS = ("minimal", "detailed", "json", "progress")
_METER_VALUES = (*METER_FORMATS, "progress_bar", "auto")
LOG_LEVELS = ("trace", "debug", "info", "warning", "error")
SHELLS = ("bash", "zsh", "fish")
CLIENTS = ("claude-desktop", "claude-code", "vscode", "vscode-insiders", "cursor", "windsurf", "gemini-cli", "zed")

_CONFIG = "configuration, YAML or JSON; of several the later win (default: ./mcpkit.yaml, or the user's)"

_ADDRESS = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]+)?|[A-Za-z0-9.-]*(?::[0-9]+)|[0-9]+|localhost|[0-9.]+")

_OPTIONAL_VALUES: dict[str, Callable[[str], bool]] = {
    "--meter": lambda value: value in _METER_VALUES,
    "--http": lambda value: _ADDRESS.fullmatch(value) is not None or value.startswith(("http://", "https://")),
}
_DEFAULT_VALUES = {"--meter": "auto", "--http": ""}


def settle(argv: list[str]) -> list[str]:
    """Give options with an optional value their default unless one follows: ``--meter FILE`` leaves FILE alone."""
    out: list[str] = []
    for i, word in enumerate(argv):
        if word == "--":
            return out + argv[i:]
        takes = _OPTIONAL_VALUES.get(word)
        if takes is None or (i + 1 < len(argv) and takes(argv[i + 1])):
            out.append(word)
        else:
            out.append(f"{word}={_DEFAULT_VALUES[word]}")
    return out


def build() -> argparse.ArgumentParser:
    """The whole grammar."""
    parser = argparse.ArgumentParser(
        prog="mcpkit",
        description="Sandboxed, fuel-metered WebAssembly tools over the Model Context Protocol.",
        epilog=_examples(
            "mcpkit server calculator.wasm                 serve a component's functions on stdio",
            "mcpkit server --http --config config.yaml     serve on http://127.0.0.1:3000/mcp",
            'mcpkit call calculator.wasm add \'{"a": 2, "b": 3}\' --meter',
            "mcpkit COMMAND --help                         more about one command",
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for add in (
        *(_server, _call, _tools, _validate, _install, _doctor, _cache, _key, _completion, _replay, _receipt),
        *(_quotas, _config, _policy),
    ):
        add(commands)
    return parser


Commands = argparse._SubParsersAction  # the standard library gives the type no public name


def _examples(*lines: str) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)


def _command(
    commands: Commands[argparse.ArgumentParser], name: str, summary: str, *examples: str, more: str = ""
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=_examples(*examples) + (f"\n\n{more}" if more else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits of one call")
    group.add_argument("--max-compute-units", metavar="N", help="compute units, as 1000000, 10_000_000 or 10M")
    group.add_argument("--max-memory", metavar="SIZE", help="memory, as 64Mi, 1Gi or bytes")
    group.add_argument("--timeout", metavar="DURATION", help="wall clock, as 500ms, 30s or 5m")


def _metering(parser: argparse.ArgumentParser, what: str) -> None:
    group = parser.add_argument_group("metering")
    group.add_argument(
        "--meter",
        nargs="?",
        metavar="FORMAT",
        choices=_METER_VALUES,
        help=f"{what}: {', '.join(METER_FORMATS)} (default: the configuration's, else minimal)",
    )
    group.add_argument(
        "--meter-format", metavar="FORMAT", choices=(*METER_FORMATS, "progress_bar"), help="the same as --meter FORMAT"
    )
    group.add_argument("--monitor", action="store_true", help="show compute usage on stderr while calls run")


def _cache_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("compiled code")
    group.add_argument("--cache-dir", metavar="DIR", help="where it is kept (default: the user's cache folder)")
    group.add_argument("--no-cache", action="store_true", help="compile every time and keep nothing")
    group.add_argument(
        "--compiler",
        choices=("cranelift", "pulley"),
        help="machine code, or an interpreter with the same units and limits (default: cranelift)",
    )


def _server(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "server",
        "serve tools over MCP, on stdio or HTTP",
        "mcpkit server calculator.wasm",
        "mcpkit server --config config.yaml",
        "mcpkit server --http 127.0.0.1:8080 text-stats.wasm calculator.wasm",
        "mcpkit server --http 0.0.0.0:3000 --allowed-host tools.example.org --config config.yaml",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="modules to serve, beside those of the configuration")
    parser.add_argument("--config", action="append", metavar="FILE", help=_CONFIG)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--stdio", action="store_true", help="speak on standard input and output (the default)")
    way.add_argument("--http", nargs="?", metavar="HOST:PORT", help="listen for HTTP (default 127.0.0.1:3000)")
    parser.add_argument("--allowed-host", action="append", metavar="HOST", help="a further Host header to accept")
    parser.add_argument("--allowed-origin", action="append", metavar="ORIGIN", help="a further Origin to accept")
    parser.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        help="take over a configuration that changes, or on SIGHUP (default: on HTTP)",
    )
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="least important log line to write (default info)")
    parser.add_argument("--log-format", choices=("text", "json"), help="form of log lines on stderr (default text)")
    _metering(parser, "a report of every tool on stderr at the end")
    _recording(parser)
    _limits(parser)
    _cache_options(parser)


def _call(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "call",
        "run one tool: its result on stdout, everything else on stderr",
        "mcpkit call calculator.wasm                              list the file's tools",
        'mcpkit call calculator.wasm add \'{"a": 2, "b": 3}\'',
        'echo \'{"text": "hello"}\' | mcpkit call text-stats.wasm text-stats -',
        'mcpkit call calculator.wasm add \'{"a": 2, "b": 3}\' --meter detailed',
        "mcpkit call primes.wasm count-below '{\"bound\": 30000000}' --monitor --meter-format progress",
        "mcpkit call spin.wasm spin --max-compute-units 1M --max-memory 64Mi --timeout 2s",
        more="exit status:\n" + exits.table(),
    )
    parser.add_argument("file", metavar="FILE", help="a WebAssembly module or component (.wasm, .wat)")
    parser.add_argument("tool", nargs="?", metavar="TOOL", help="the tool's name; without it the tools are listed")
    parser.add_argument("arguments", nargs="?", metavar="ARGUMENTS", help="a JSON object, or - to read it from stdin")
    _metering(parser, "report compute usage on stderr")
    _recording(parser)
    parser.add_argument("--json", action="store_true", help="print status, result and usage as one JSON object")
    parser.add_argument("--config", action="append", metavar="FILE", help=_CONFIG)
    _limits(parser)
    _cache_options(parser)


def _tools(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "tools",
        "list the tools of WebAssembly files",
        "mcpkit tools calculator.wasm text-stats.wasm",
        "mcpkit tools --json calculator.wasm | python3 -m json.tool",
        "mcpkit tools --config config.yaml",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="modules or components")
    parser.add_argument("--config", action="append", metavar="FILE", help=_CONFIG)
    parser.add_argument("--json", action="store_true", help="names, descriptions and schemas as JSON")
    _cache_options(parser)


def _validate(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "validate",
        "check a configuration and print the limits it amounts to",
        "mcpkit validate config.yaml",
        "mcpkit validate --json config.yaml",
        "mcpkit validate base.yaml production.yaml --timeout 5s",
    )
    parser.add_argument("files", nargs="*", metavar="CONFIG", help=_CONFIG)
    parser.add_argument("--config", action="append", metavar="FILE", help="the same, as other commands take it")
    parser.add_argument("--json", action="store_true", help="print limits or problems as JSON")
    _limits(parser)


def _install(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "install",
        "write a server into the configuration of an MCP client",
        "mcpkit install                                    list the clients and their files",
        "mcpkit install --client claude-desktop calculator.wasm",
        "mcpkit install --client vscode --scope project --config config.yaml --dry-run",
        "mcpkit install --client claude-code --name tools --http http://127.0.0.1:3000/mcp",
        "mcpkit install --client cursor --name tools --remove",
        more="What stands in the file already stays, comments included; a backup of it is kept beside it.",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="modules that the client's server is to serve")
    parser.add_argument("--client", choices=CLIENTS, metavar="CLIENT", help=", ".join(CLIENTS))
    parser.add_argument("--name", metavar="NAME", help="the server's name (default: the configuration's or file's)")
    parser.add_argument("--config", action="append", metavar="FILE", help="a configuration; may be repeated")
    parser.add_argument("--http", nargs="?", metavar="URL", help="a server that runs already, instead of one to start")
    parser.add_argument("--scope", choices=("user", "project"), default="user", help="which file (default user)")
    parser.add_argument("--env", action="append", metavar="NAME=VALUE", help="a variable for the server's environment")
    parser.add_argument("--dry-run", action="store_true", help="show what would change and write nothing")
    parser.add_argument("--remove", action="store_true", help="take the server out again")
    parser.add_argument("--force", action="store_true", help="replace an entry that does not start mcpkit")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def _doctor(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "doctor",
        "report what this installation found: Python, processor, engine, cache",
        "mcpkit doctor",
        "mcpkit doctor --json",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _cache(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "cache",
        "look at or empty the folder of compiled code",
        "mcpkit cache --stats",
        "mcpkit cache --clear",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--stats", action="store_true", help="what is in it (the default)")
    what.add_argument("--clear", action="store_true", help="remove every compiled program")
    parser.add_argument("--cache-dir", metavar="DIR", help="the folder (default: the user's cache folder)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")


def _key(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "key",
        "make an API key: the key on stdout, the configuration's entry on stderr",
        "mcpkit key new ci",
        "mcpkit key new ci --scope tools:call --scope calculator:use",
    )
    parser.add_argument("action", choices=("new",), help="make a key")
    parser.add_argument("name", metavar="NAME", help="whose key it is, for the configuration and the log")
    parser.add_argument("--scope", action="append", default=[], metavar="SCOPE", help="what it may do; repeatable")
    parser.add_argument("--json", action="store_true", help="print key and entry as one JSON object")


def _completion(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "completion",
        "print a completion script for a shell",
        'eval "$(mcpkit completion bash)"                  in ~/.bashrc',
        'eval "$(mcpkit completion zsh)"                   in ~/.zshrc',
        "mcpkit completion fish > ~/.config/fish/completions/mcpkit.fish",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def _quotas(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "quotas",
        "show what was used of each quota in the running minute, hour and day",
        "mcpkit quotas --config config.yaml",
        "mcpkit quotas --config config.yaml --json",
    )
    parser.add_argument("--config", action="append", metavar="FILE", help=_CONFIG)
    parser.add_argument("--json", action="store_true", help="print them as JSON")


def _config(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "config",
        "print the configuration that is in force, or its JSON Schema",
        "mcpkit config show --config config.yaml           every value, and where it comes from",
        "mcpkit config show --json",
        "mcpkit config schema > mcpkit.schema.json         for editors",
    )
    parser.add_argument("what", choices=("show", "schema"), help="what to print")
    parser.add_argument("--config", action="append", metavar="FILE", help=_CONFIG)
    parser.add_argument("--json", action="store_true", help="show: print values and origins as JSON")


def _policy(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "policy",
        "say why a policy allows or denies something, or check one",
        "mcpkit policy explain calculator/add call --config config.yaml",
        "mcpkit policy explain calculator/add call '{\"a\": 2}' --config config.yaml",
        "mcpkit policy explain reader/cat read:/data/notes.txt --policy policy.yaml",
        "mcpkit policy explain fetch/get connect:api.example.org:443 --policy policy.yaml --json",
        "mcpkit policy explain fetch/get env:API_KEY --policy policy.yaml",
        "mcpkit policy check policy.yaml",
        more=f"exit status of explain:\n  {exits.OK:<4}allowed\n  {exits.DENIED:<4}denied",
    )
    parser.add_argument("action", choices=("explain", "check"), help="say why, or check a file")
    parser.add_argument("words", nargs="*", metavar="WORD", help="explain: TOOL ACTION [ARGUMENTS]; check: FILE")
    parser.add_argument("--config", action="append", metavar="FILE", help="configuration whose policy is asked")
    parser.add_argument("--policy", metavar="FILE", help="a policy's own file, or one of Wassette's")
    parser.add_argument("--json", action="store_true", help="print the decision as JSON")


def _recording(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("receipts")
    group.add_argument("--record", metavar="DIR", help="keep a receipt of each call of a WebAssembly tool in DIR")
    group.add_argument("--sign", metavar="KEYFILE", help="sign the receipts with this key (mcpkit receipt keygen)")


def _replay(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "replay",
        "do recorded calls again, and say where they differ",
        "mcpkit server --http --record receipts tools.wasm",
        "mcpkit replay receipts",
        "mcpkit replay --json receipts/20261125T120000.000000Z-0a1b2c3d.json",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="receipts, or folders of them")
    parser.add_argument("--json", action="store_true", help="print what came of each as JSON")


def _receipt(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "receipt",
        "make a key for receipts, or check signatures",
        "mcpkit receipt keygen receipts.key > receipts.pub",
        'mcpkit call calculator.wasm add \'{"a": 2, "b": 3}\' --record receipts --sign receipts.key',
        "mcpkit receipt verify receipts/*.json --key receipts.pub",
    )
    parser.add_argument("action", choices=("keygen", "verify"), help="what to do")
    parser.add_argument("files", nargs="+", metavar="FILE", help="the key to write, or receipts")
    parser.add_argument("--key", metavar="KEY", help="verify: the public key, or a file with it")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
