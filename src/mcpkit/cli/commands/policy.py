"""mcpkit policy: ask a policy why it decides as it does, and check one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from mcpkit.cli import exits, options
from mcpkit.cli.exits import CliError
from mcpkit.cli.terminal import paint
from mcpkit.config import Config, ConfigError, Policy, load_policy
from mcpkit.policy.explain import ActionError, as_json, explain, show


def run(args: argparse.Namespace) -> int:
    return _check(args) if args.action == "check" else _explain(args)


def _explain(args: argparse.Namespace) -> int:
    if not 2 <= len(args.words) <= 3:
        raise CliError("mcpkit policy explain TOOL ACTION [ARGUMENTS] --config FILE or --policy FILE")
    name, action = args.words[:2]
    if len(args.words) == 3 and action != "call":
        raise CliError("only call has arguments")
    config, policy = _policy(args)
    tool, qualified = _named(name, config)
    arguments = _arguments(args.words[2]) if len(args.words) == 3 else None
    if action.partition(":")[0] in ("read", "write", "create", "delete", "execute"):
        what, _, path = action.partition(":")
        action = f"{what}:{_absolute(path)}"
    try:
        explanation = explain(options.evaluator(policy), tool, qualified, action, arguments)
    except ActionError as error:
        raise CliError(str(error)) from None
    print(as_json(explanation) if args.json else show(explanation))
    return exits.OK if explanation.allowed else exits.DENIED


def _check(args: argparse.Namespace) -> int:
    if len(args.words) > 1 or (args.words and (args.config or args.policy)):
        raise CliError("mcpkit policy check FILE: the policy's file (or --config, for the policy in a configuration)")
    if args.words:
        args.policy = args.words[0]
    _, policy = _policy(args)
    evaluator = options.evaluator(policy)
    entries: dict[str, Any] = {
        "mcp.tools": evaluator.tools.entries if evaluator.tools is not None else None,
        "mcp.prompts": evaluator.prompts.entries if evaluator.prompts is not None else None,
        "mcp.resources": evaluator.resource_entries,
        "core.storage": evaluator.storage_entries,
        "core.network": evaluator.network_rules.entries,
        "core.environment": evaluator.environment_rules.entries,
    }
    counts = {section: None if found is None else len(found) for section, found in entries.items()}
    if args.json:
        print(json.dumps({"valid": True, "rules": counts, "warnings": evaluator.notes()}, indent=2))
        return exits.OK
    print(f"{args.policy or ', '.join(args.config)}: valid")
    for section, count in counts.items():
        said = "unrestricted" if count is None else "nothing is allowed" if count == 0 else f"{count} rules"
        print(f"  {section:<18}{said}")
    for note in evaluator.notes():
        print(f"{paint('warning:', '33', sys.stderr)} {note}", file=sys.stderr)
    return exits.OK


def _policy(args: argparse.Namespace) -> tuple[Config | None, Policy]:
    if bool(args.config) == (args.policy is not None):
        raise CliError("name a configuration with --config or a policy's own file with --policy")
    config = options.named(args)
    if config is None:
        try:
            return None, load_policy(args.policy)
        except ConfigError as error:
            raise CliError(f"the policy cannot be used\n{error}", exits.CANNOT_LOAD) from None
    if config.policy is None:
        raise CliError(f"{', '.join(args.config)}: no policy: every tool may be used, and no guest reaches anything")
    return config, config.policy


def _named(text: str, config: Config | None) -> tuple[str, str]:
    """The tool's own name and ``module/tool``, the latter where it can be told."""
    _, slash, name = text.rpartition("/")
    if slash:
        return name, text
    modules = config.modules() if config is not None else ()
    owners = [tool.module for tool in config.mcp.tools if tool.name == name] if config is not None else []
    if owners and owners[0] is not None:
        return name, f"{owners[0]}/{name}"
    if len(modules) == 1:
        return name, f"{modules[0].label}/{name}"
    print(f"note: {text!r} names no module; rules about MODULE/TOOL are not looked at", file=sys.stderr)
    return name, ""


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CliError(f"the arguments are not JSON: {error}", exits.BAD_ARGUMENTS) from None


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if path else path
