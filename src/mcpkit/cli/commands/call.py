"""mcpkit call: run one tool from the shell."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from mcpkit.cli import catalogue, exits, options
from mcpkit.cli.commands.tools import as_json, as_text
from mcpkit.cli.exits import CliError
from mcpkit.cli.monitor import watched
from mcpkit.cli.outcome import Outcome, harmless, pretty, read
from mcpkit.cli.terminal import complain, paint
from mcpkit.config import Config, Limits, Module
from mcpkit.core.json import JsonError, validate
from mcpkit.guests import Catalogue, ToolSpec, UnknownToolError, receipts
from mcpkit.metering import Usage, show
from mcpkit.metering.ledger import LedgerError
from mcpkit.metering.quotas import ANYBODY, Quotas
from mcpkit.metering.receipt import ReceiptError
from mcpkit.policy import grants_for

if TYPE_CHECKING:
    from mcpkit.core.wasm import CallResult
    from mcpkit.metering.receipt import Called
    from mcpkit.metering.recorder import Recorder
    from mcpkit.policy import Evaluator, Grants
    from mcpkit.wasmedge import EdgeResult

MAX_ARGUMENTS = 64 << 20


def run(args: argparse.Namespace) -> int:
    config = options.config(args)
    limits = options.limits(args, config)
    arguments = _arguments(args.arguments)
    module, described = catalogue.only(args.file, config)
    with catalogue.opened(args, config, [module], described, limits.max_memory) as tools:
        if args.tool is None:
            print(as_json(tools) if args.json else as_text(tools))
            return exits.OK
        spec = _find(tools, args.tool)
        policy = options.evaluator(config.policy) if config is not None and config.policy is not None else None
        if policy is not None:
            _allowed(policy, spec, arguments)
        with _quotas(config, policy, spec) as quotas:
            claims = {"server_claim": quotas.server, "tool_claim": quotas.tool(spec.qualified)} if quotas else {}
            grants, secrets = grants_for(policy, spec.module), _secrets(config, spec)
            tool = spec.bind(limits, grants, secrets=secrets, **claims)
            recorder = options.recorder(args, config)
            call: CallResult | EdgeResult
            if config is not None and config.runtime.type == "wasmedge":
                if recorder is not None:
                    raise CliError("WasmEdge's calls cannot be recorded; use runtime.type wasmtime", exits.USAGE)
                call = _in_wasmedge(spec, module, limits, grants, secrets, arguments, quotas)
            elif recorder is not None:
                with recorder:
                    about = _about(recorder, spec, module, grants, secrets)
                    recorded = call = tool.call(arguments, record=True)
                    outside = receipts.outside(spec.program)
                    recorder.note(about, receipts.held(spec, limits), arguments, recorded, outside=outside)
            elif options.monitors(args, config):
                shown = options.meter(args, config) or options.display(config)
                call = watched(tool, arguments, shown, limits.max_units)
            else:
                call = tool.call(arguments)
    outcome = read(call, spec.style == "command")
    usage = Usage(call.units, call.wall_ns, call.mean_rate, call.peak_rate, call.memory_bytes, limits.max_units)
    if args.json:
        print(_as_json(spec, call, outcome, usage))
    else:
        _print(call, outcome)
    if "computeUnits" in call.warnings:
        _warn(f"{usage.units:,} compute units used; the warning limit is {limits.warn_units:,}")
    if "memory" in call.warnings:
        _warn(f"{usage.memory_bytes:,} bytes of memory used; the warning limit is {limits.warn_memory:,}")
    form = options.meter(args, config)
    if form is not None:
        print(show(usage, form), file=sys.stderr)
    return outcome.exit


def _in_wasmedge(
    spec: ToolSpec,
    module: Module,
    limits: Limits,
    grants: Grants,
    secrets: list[tuple[str, str]],
    arguments: bytes,
    quotas: Quotas | None,
) -> EdgeResult:
    from mcpkit.guests.edge import edge_tool
    from mcpkit.wasmedge import find

    edge = edge_tool(find(), spec, module.path, limits, grants, secrets)
    if quotas is None:
        return edge.call(arguments)
    with quotas.spending(spec.qualified, ANYBODY, edge.max_units) as spending:
        if spending.granted == 0:
            raise CliError("a quota of compute units is used up; mcpkit quotas shows which", exits.COMPUTE_LIMIT)
        ended = edge._replace(max_units=spending.granted).call(arguments)
        spending.used = ended.units
    return ended


def _about(
    recorder: Recorder, spec: ToolSpec, module: Module, grants: Grants, secrets: list[tuple[str, str]]
) -> Called:
    """Before the call: the module's file may be another one after it."""
    names = tuple(name for name, _ in secrets)
    try:
        return receipts.called(spec, recorder.module(module.path.read_bytes()), grants.environment, names)
    except ReceiptError as error:
        raise CliError(str(error), exits.CANNOT_LOAD) from None


def _secrets(config: Config | None, spec: ToolSpec) -> list[tuple[str, str]]:
    from mcpkit.application import secrets_of
    from mcpkit.security.credentials import Vault

    base = config if config is not None else Config()
    return secrets_of(Vault(base.credentials), spec, base)


@contextmanager
def _quotas(config: Config | None, policy: Evaluator | None, spec: ToolSpec) -> Iterator[Quotas | None]:
    """What a configuration allows per minute, hour and day."""
    if config is None:
        yield None
        return
    from mcpkit.application import open_quotas

    try:
        quotas = open_quotas(config, policy, {spec.qualified: spec.name})
    except LedgerError as error:
        raise CliError(str(error), exits.CANNOT_LOAD) from None
    try:
        yield quotas
    finally:
        if quotas is not None:
            quotas.ledger.close()


def _warn(text: str) -> None:
    print(f"{paint('warning:', '33', sys.stderr)} {text}", file=sys.stderr)


def _find(tools: Catalogue, name: str) -> ToolSpec:
    try:
        return tools.tool(name)
    except UnknownToolError as error:
        raise CliError(str(error)) from None


def _allowed(policy: Evaluator, spec: ToolSpec, arguments: bytes) -> None:
    """Raises CliError where the policy does not allow the call."""
    decision = policy.tool(spec.name, spec.qualified)
    refused = (
        policy.arguments(spec.name, spec.qualified, msgspec.json.decode(arguments)) if decision.allowed else decision
    )
    if refused is not None:
        raise CliError(f"{spec.name}: {refused.why}" + (f" ({refused.place})" if refused.place else ""), exits.DENIED)


def _arguments(text: str | None) -> bytes:
    """The arguments as the raw text of a JSON object."""
    if text is None:
        return b"{}"
    raw = sys.stdin.buffer.read(MAX_ARGUMENTS + 1) if text == "-" else text.encode(errors="surrogateescape")
    if len(raw) > MAX_ARGUMENTS:
        raise CliError(f"the arguments are larger than {MAX_ARGUMENTS >> 20} MiB", exits.BAD_ARGUMENTS)
    try:
        validate(raw)
    except JsonError as error:
        raise CliError(f"the arguments are not JSON: {error}", exits.BAD_ARGUMENTS) from None
    if not raw.lstrip().startswith(b"{"):
        raise CliError('the arguments must be a JSON object such as {"a": 2}', exits.BAD_ARGUMENTS)
    return raw


def _print(call: CallResult | EdgeResult, outcome: Outcome) -> None:
    said = call.stderr.decode(errors="replace")
    if said:
        said = harmless(said) if sys.stderr.isatty() else said
        print(said, end="" if said.endswith("\n") else "\n", file=sys.stderr)
    if outcome.result is not None:
        print(pretty(outcome.result) if sys.stdout.isatty() else outcome.result)
    if outcome.error is not None:
        sys.stdout.flush()
        complain(harmless(outcome.error))


def _as_json(spec: ToolSpec, call: CallResult | EdgeResult, outcome: Outcome, usage: Usage) -> str:
    """Status, answer and usage as one object; the answer's text is put in as the tool gave it."""
    members = [("tool", json.dumps(spec.name)), ("status", json.dumps(call.status))]
    if outcome.result is not None:
        members.append(("result", outcome.result))
    if outcome.error is not None:
        members.append(("error", json.dumps(outcome.error, ensure_ascii=False)))
    if call.stderr:
        members.append(("stderr", json.dumps(call.stderr.decode(errors="replace"), ensure_ascii=False)))
    members.append(("usage", show(usage, "json")))
    return "{" + ", ".join(f'"{key}": {text}' for key, text in members) + "}"
