"""One server, whatever its transport: configuration, engine, tools and the protocol joined."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import msgspec
import orjson

import mcpkit
from mcpkit.config import (
    DEFAULT_MEMORY,
    Config,
    ConfigError,
    Limits,
    Problem,
    effective_limits,
    needs_restart,
    under_policy,
)
from mcpkit.core.serve import Exchange, Server
from mcpkit.core.wasm import Tool
from mcpkit.guests import Catalogue, ToolSpec, receipts
from mcpkit.guests.answer import ERROR, USAGE, command_answer
from mcpkit.mcp import Dispatcher, Features, Hub, Link, Runner, ServerInfo, Tasks, Wishes, open_store
from mcpkit.mcp.errors import invalid_params
from mcpkit.mcp.features import Nothing, has_resource
from mcpkit.mcp.guard import Guard
from mcpkit.mcp.guest_call import GuestCall, Reporter
from mcpkit.mcp.link import dump
from mcpkit.mcp.revisions import Era
from mcpkit.mcp.runner import Answer
from mcpkit.metering.ledger import Ledger, default_folder
from mcpkit.metering.prometheus import BOUNDS, exposition
from mcpkit.metering.quotas import ANYBODY, Quotas, UsedUp, error_result
from mcpkit.metering.receipt import Called, Held
from mcpkit.metering.recorder import Recorder
from mcpkit.policy import Audit, Evaluator, Grants, PolicyError, Rates, grants_for
from mcpkit.schema import Checker, SchemaMismatch, compile, header_parameters  # noqa: A004
from mcpkit.security import Security
from mcpkit.security.credentials import Vault, Wanted
from mcpkit.wasm import Runtime

if TYPE_CHECKING:
    from mcpkit.native import Registry
    from mcpkit.wasmedge import EdgeTool, WasmEdge

log = logging.getLogger("mcpkit")

ENDPOINT = "/mcp"
NATIVE = "python"
"""What stands for the module in the qualified names of tools written in Python."""
ERAS: tuple[Era, ...] = ("legacy", "modern")


class Offer(NamedTuple):
    """What a running server can put in place of what it serves: tools, under the limits of a configuration."""

    config: Config
    limits: Limits
    catalogue: Catalogue
    guests: dict[str, Tool]
    checks: dict[str, Checker]
    promises: dict[str, Checker]
    edges: dict[str, EdgeTool]
    """Those that WasmEdge runs."""


class Application:
    """Everything a transport needs. A context manager; `close` ends the engine."""

    def __init__(
        self,
        config: Config,
        *,
        limits: Limits | None = None,
        cache: bool | None = None,
        cache_dir: Path | None = None,
        registry: Registry | None = None,
        tasks: Tasks | None = None,
        security: Security | None = None,
        quotas: Quotas | None = None,
        recorder: Recorder | None = None,
        reloadable: bool = False,
    ) -> None:
        """Open the configuration's modules and bind their tools to `limits` (by default the configuration's).

        `registry`: tools, resources and prompts written in Python. `tasks` and `security` are by default what the
        configuration says; `recorder` keeps a receipt of each call of a WebAssembly tool; `reloadable` tells clients
        that tools may change (see `replace`).

        Raises WasmRuntimeError, WasmError or GuestError where a module cannot be served, SchemaError for a schema that
        cannot be checked, DuplicateError where two tools have one name, PolicyError for a policy that cannot be kept,
        OSError where its audit file cannot be opened.
        """
        self.config = config
        self.limits = under_policy(limits or effective_limits(config), config.policy)
        self._native_totals: dict[str, dict[str, Any]] = {}
        self.registry = registry
        self.policy = Evaluator(config.policy) if config.policy is not None else None
        for note in self.policy.notes() if self.policy is not None else ():
            log.warning("%s", note)
        self.audit = Audit(config.policy.audit) if config.policy is not None else None
        self.quotas = quotas
        self._recorder = recorder
        self._edge: WasmEdge | None = None
        self._about: dict[str, tuple[Called, Held, str]] = {}
        """What receipts say of each tool."""
        self._vault = Vault(config.credentials)
        self._keeper: threading.Thread | None = None
        self._core: Server | None = None
        self._submit: Callable[[Callable[[], object]], object] | None = None
        self._ending = threading.Event()
        self._names: dict[str, str] = {}
        """What clients call WebAssembly tools, by ``module/tool``."""
        self.reloadable = reloadable
        # The pool's slots are larger than a small limit, so that crossing it is a refusal of the limit's.
        self._room = max(self.limits.max_memory, DEFAULT_MEMORY)
        wasm = config.runtime.wasm
        self.runtime = Runtime(
            cache=wasm.cache if cache is None else cache,
            cache_dir=cache_dir or wasm.cache_dir,
            pulley=wasm.compiler == "pulley",
            max_instances=config.runtime.limits.max_concurrent_requests or 0,
            max_memory=self._room,
        )
        try:
            if self.quotas is None:
                self.quotas = open_quotas(config, self.policy, self._names)
            self._take(self._offer(config, self.limits))
            if registry is not None:
                registry.reserve(self.guests)
            self.security = security or Security.from_config(
                config.security, name=config.server.name, endpoint=ENDPOINT
            )
            self.tasks = tasks or self._own_tasks()
            self._protocol()
        except BaseException:
            self.close()
            raise

    def _bind(self, spec: ToolSpec, config: Config, limits: Limits, grants: Grants) -> Tool:
        secrets = secrets_of(self._vault, spec, config)
        if self.quotas is None:
            return spec.bind(limits, grants, secrets=secrets)
        claim = self.quotas.tool(spec.qualified)
        return spec.bind(limits, grants, server_claim=self.quotas.server, tool_claim=claim, secrets=secrets)

    def _in_wasmedge(
        self, config: Config, limits: Limits, catalogue: Catalogue, grants: Mapping[str, Grants]
    ) -> dict[str, EdgeTool]:
        from mcpkit.guests.edge import edge_tool
        from mcpkit.wasmedge import WasmEdgeError, find

        if self._recorder is not None:
            raise WasmEdgeError("runtime.type wasmedge: WasmEdge's calls cannot be recorded; use wasmtime for receipts")
        if self._edge is None:
            self._edge = find()
        paths = {module.label: module.path for module in config.modules()}
        return {
            spec.name: edge_tool(
                self._edge, spec, paths[spec.module], limits, grants[spec.module], secrets_of(self._vault, spec, config)
            )
            for spec in catalogue
        }

    async def _call_edge(self, name: str, arguments: bytes, link: Link) -> dict[str, Any]:
        """Run a command in WasmEdge; the members of a CallToolResult."""
        edge, qualified = self._edges[name], self.catalogue.tool(name).qualified
        if self.quotas is None:
            return command_answer(await asyncio.to_thread(edge.call, arguments))
        caller = self.security.caller(link.principal) if self.security is not None and link.principal else ""
        used_up = self.quotas.enter(qualified, caller or ANYBODY)
        if used_up is not None:
            return error_result(used_up)
        with self.quotas.spending(qualified, caller or ANYBODY, edge.max_units) as spending:
            if spending.granted == 0:
                return _failed("a quota of compute units is used up; mcpkit quotas shows which")
            ended = await asyncio.to_thread(edge._replace(max_units=spending.granted).call, arguments)
            spending.used = ended.units
        return command_answer(ended)

    def _described(self, recorder: Recorder, spec: ToolSpec) -> tuple[Called, Held, str]:
        path = next(module.path for module in self.config.modules() if module.label == spec.module)
        granted = grants_for(self.policy, spec.module).environment
        secrets = tuple(name for name, _ in secrets_of(self._vault, spec, self.config))
        called = receipts.called(spec, recorder.module(path.read_bytes()), granted, secrets)
        return called, receipts.held(spec, self.limits), receipts.outside(spec.program)

    def _keep_fresh(self) -> None:
        """Have tokens anew before they expire, on a thread of its own, and bind the tools to the new ones."""
        while (seconds := self._vault.expires_in()) is not None and not self._ending.wait(seconds):
            if self._vault.refresh() and self._submit is not None:
                self._submit(self._renew)

    def _renew(self) -> None:
        """Bind every tool again: what it is given has changed."""
        self._take(self._bound(self.config, self.limits, self.catalogue))
        self._fill()

    def _offer(self, config: Config, limits: Limits) -> Offer:
        return self._bound(config, limits, Catalogue.open(self.runtime, config.modules(), config.described()))

    def _bound(self, config: Config, limits: Limits, catalogue: Catalogue) -> Offer:
        grants = {label: grants_for(self.policy, label) for label in {spec.module for spec in catalogue}}
        self._names |= {spec.qualified: spec.name for spec in catalogue}
        commands = [spec for spec in catalogue if spec.style == "command"]
        edge = config.runtime.type == "wasmedge"
        return Offer(
            config,
            limits,
            catalogue,
            {spec.name: self._bind(spec, config, limits, grants[spec.module]) for spec in catalogue},
            {spec.name: compile(spec.input_schema) for spec in commands if _says_something(spec)},
            {spec.name: compile(spec.output_schema) for spec in commands if spec.output_schema},
            self._in_wasmedge(config, limits, catalogue, grants) if edge else {},
        )

    def _take(self, offer: Offer) -> None:
        if self._keeper is None and self._vault.expires_in() is not None:
            self._keeper = threading.Thread(target=self._keep_fresh, name="mcpkit-credentials", daemon=True)
            self._keeper.start()
        self.config, self.limits, self.catalogue, self.guests, self._checks, self._promises, self._edges = offer
        if self._recorder is not None:
            self._about = {spec.name: self._described(self._recorder, spec) for spec in self.catalogue}

    def prepare(self, config: Config, limits: Limits, origins: Mapping[str, str] | None = None) -> Offer:
        """What `replace` takes, from another configuration. Any thread may: nothing that is in force changes.

        `origins` tells where keys stand, for messages. Raises ConfigError where the change needs a restart, and for
        modules what the constructor raises.
        """
        fixed = needs_restart(self.config, config)
        if self.config.handlers() != config.handlers():
            fixed.append("mcp.tools")
        if fixed:
            places = origins or {}
            message = "a change needs a restart"
            raise ConfigError([Problem(places.get(key, "the running server"), 0, 0, key, message) for key in fixed])
        limits = under_policy(limits, config.policy)
        if limits.max_memory > self._room:
            message = f"the engine was started with room for {self._room} bytes; more need a restart"
            raise ConfigError([Problem("the running server", 0, 0, "runtime.limits.memory", message)])
        return self._offer(config, limits)

    def replace(self, offer: Offer) -> None:
        """Serve something else from now on; on the loop's own thread. Calls that run end as they began.

        Raises DuplicateError where a tool is named like one written in Python; then nothing has changed.
        """
        if self.registry is not None:
            self.registry.reserve(offer.guests)
        self._take(offer)
        before = self.dispatcher.static_answers()
        self.dispatcher.serve_tools(offer.catalogue)
        if self._submit is not None:
            self._submit(self._fill)
        if self.dispatcher.static_answers() != before:
            self.hub.changed("tools")

    def _protocol(self) -> None:
        server = self.config.server
        info = ServerInfo(
            name=server.name,
            version=server.version or mcpkit.__version__,
            title=server.title,
            description=server.description,
            instructions=server.instructions,
            cache_scope="private" if self.security is not None else "public",
        )
        self.identity = orjson.dumps({"name": info.name, "version": info.version})
        """JSON of what signs the results of the modern era."""
        registry = self.registry if self.registry is not None else Nothing()
        self.hub = Hub(self._honoured, lambda: self.runner.sessions())
        who = self.security.caller if self.security is not None else lambda principal: ""
        self.guard = Guard(self.policy, self.audit, who)
        features = Features(registry, self.call_tool, self.hub, self.tasks, self._may_call, self.guard)
        capabilities: dict[Era, dict[str, Any]] = {
            era: {
                **({"tools": {"listChanged": True}} if self.reloadable else {}),
                **(self.tasks.capability(era) if self.tasks is not None else {}),
            }
            for era in ERAS
        }
        self.dispatcher = Dispatcher(
            info,
            self.catalogue,
            registry=self.registry,
            features=features,
            capabilities=capabilities,
            lists_tool=lambda name: self.guard.lists_tool(name, self._qualified(name)),
        )
        identify = self.security.caller if self.security is not None else None
        self.runner = Runner(self.dispatcher, identify=identify)
        if self.registry is not None:
            self.registry.changed.append(self._list_changed)
            self.registry.updated.append(self._resource_updated)
        if self.tasks is not None:
            self.tasks.changed.append(self._task_changed)
            self.runner.session_ended = self.tasks.forget_session

    def _own_tasks(self) -> Tasks | None:
        """Tasks where the configuration wants them and a tool may run as one."""
        settings = self.config.tasks
        able = any(tool.task_support != "forbidden" for tool in (self.registry.tools.values() if self.registry else ()))
        if not settings.enabled or not able:
            return None
        identify = self.security.caller if self.security is not None else None
        return Tasks(open_store(settings), settings, identify=identify)

    @property
    def spontaneous(self) -> bool:
        """Whether anything here may speak without being asked."""
        return self.registry is not None or self.tasks is not None or self.reloadable

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Where everything that waits runs; a transport sets it before the first question."""
        return self.runner.loop

    @loop.setter
    def loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self.runner.loop = loop

    def needs_loop(self, start: Callable[[], object]) -> None:
        """`start` sets `loop`; called when it is needed first, which is now where there is anything that may speak."""
        self.runner.start_loop = start
        if self.spontaneous:
            start()

    @property
    def tools(self) -> dict[str, Tool | None]:
        """Every tool by name; None where Python answers calls, or has something to check before."""
        native = dict.fromkeys(self.registry.tools if self.registry is not None else ())
        guests = {spec.name: None if self._guarded(spec) else self.guests[spec.name] for spec in self.catalogue}
        return {**guests, **native}

    def _guarded(self, spec: ToolSpec) -> bool:
        """Whether calls of a WebAssembly tool pass through Python, for what the core does not check."""
        return (
            spec.name in self._checks
            or spec.name in self._promises
            or bool(header_parameters(spec.input_schema))
            or bool(self.security and self.security.scopes_for(spec.qualified))
            or self.guard.restricts_tool(spec.name, spec.qualified)
            or self._recorder is not None
            or self._logs_calls()
            or spec.name in self._edges
        )

    def bind(self, core: Server, submit: Callable[[Callable[[], object]], object]) -> None:
        """Fill the core's tables. `submit` has the thread that serves call something."""
        self._core = core
        self._submit = submit
        self._fill()

    def _fill(self) -> None:
        core = self._core
        if core is None:
            return
        core.set_tools(self.tools.items())
        if self.quotas is not None and self.quotas.tells_callers_apart:
            self._count_caller(ANYBODY, 0)
            if self.security is not None:
                self.security.numbered = self._count_caller
        for (era, method), result in self.dispatcher.static_answers().items():
            core.set_static(era, method, result)

    def used(self) -> tuple[int, int]:
        """Compute units and number of the calls that have ended. Any thread."""
        totals = [tool.totals() for tool in self.guests.values()]
        native = sum(sum(own["calls"].values()) for own in self._native_totals.values())
        return sum(t["units"] for t in totals), sum(sum(t["calls"].values()) for t in totals) + native

    def metrics(self) -> str:
        """Everything that Prometheus may want to know."""
        stats = self.runtime.engine.stats()
        gauges = {
            "mcpkit_instances": ("Instances alive now.", float(stats["live"])),
            "mcpkit_queued_calls": ("Calls that wait for an instance.", float(stats["queued"])),
            "mcpkit_stuck_threads": ("Threads that do not come back from the host.", float(stats["stuck_threads"])),
        }
        guests = [(name, tool.totals()) for name, tool in self.guests.items()]
        return exposition([*guests, *self._native_totals.items()], gauges)

    def _note_native(self, name: str, wall_ns: int, status: str) -> None:
        own = self._native_totals.setdefault(name, {"calls": {}, "buckets": [0] * len(BOUNDS), "wall_ns": 0})
        own["calls"][status] = own["calls"].get(status, 0) + 1
        own["wall_ns"] += wall_ns
        own["buckets"][next((i for i in range(7) if wall_ns <= 10**5 * 10**i), 7)] += 1

    def _count_caller(self, name: str, number: int) -> None:
        """Calls of the caller that the core knows by `number` count in its account."""
        claim = self.quotas.caller(name) if self.quotas is not None else None
        if claim is not None and self._core is not None:
            self._core.set_caller(number, claim)

    def ask(self, exchange: Exchange) -> Answer | None:
        """Answer what the core does not answer itself. Never raises."""
        if exchange.kind == "authorize" and self.security is not None:
            self.security.answer(exchange)
            return None
        return self.runner.ask(exchange)

    def _logs_calls(self) -> bool:
        metering = self.config.runtime.wasm.metering
        return metering.enabled and metering.log_calls

    async def call_tool(self, name: str, arguments: dict[str, Any], link: Link) -> dict[str, Any]:
        """Run any tool; the CallToolResult. Raises McpError."""
        result = await self._answer_call(name, arguments, link)
        if self._logs_calls():
            meta = result.get("_meta", {})
            usage, error = meta.get(USAGE, {}), meta.get(ERROR, {})
            facts = {
                "tool": name,
                "caller": self.security.caller(link.principal) if self.security and link.principal else ANYBODY,
                "status": error.get("kind") or ("guest_error" if result.get("isError") else "ok"),
                "compute_units": usage.get("computeUnits", 0),
                "duration_ms": usage.get("durationMs", 0),
                "memory_bytes": usage.get("memoryBytes", 0),
            }
            log.info("call ended", extra=facts)
        return result

    async def _answer_call(self, name: str, arguments: dict[str, Any], link: Link) -> dict[str, Any]:
        native = self.registry.tools.get(name) if self.registry is not None else None
        if native is not None or name in self.guests:
            refusal = self.guard.tool(name, self._qualified(name), arguments, link)
            if refusal is not None:
                return refusal
        if native is not None:
            used_up = self._enter(name, link)
            if used_up is not None:
                return error_result(used_up)
            begun = time.perf_counter_ns()
            status = "internal"
            try:
                answer: dict[str, Any] = await native.call(arguments, link)
                status = "guest_error" if answer.get("isError") else "ok"
            finally:
                self._note_native(name, time.perf_counter_ns() - begun, status)
            # Python does not count its steps; the time it took stands where a guest's compute units would.
            usage = {"durationMs": (time.perf_counter_ns() - begun) // 1000 / 1000}
            return {**answer, "_meta": {**answer.get("_meta", {}), USAGE: usage}}
        if name not in self.guests:
            raise invalid_params(f"unknown tool {name[:128]!r}; tools/list names the tools there are")
        try:
            if name in self._checks:
                self._checks[name].check(arguments)
        except SchemaMismatch as mismatch:
            return _failed(f"invalid arguments: {mismatch}")
        result: dict[str, Any]
        if name in self._edges:
            result = await self._call_edge(name, dump(arguments), link)
        else:
            result = msgspec.json.decode(await self.call_guest(name, dump(arguments), link))
        try:
            if name in self._promises and not result.get("isError"):
                self._promises[name].check(result.get("structuredContent"))
        except SchemaMismatch as mismatch:
            return {
                **_failed(f"the tool's result is not what its output schema says: {mismatch}"),
                "_meta": result["_meta"],
            }
        return result

    def _enter(self, name: str, link: Link) -> UsedUp | None:
        """Count a call of a tool written in Python; guests are counted by the core."""
        if self.quotas is None:
            return None
        caller = self.security.caller(link.principal) if self.security is not None and link.principal else ""
        return self.quotas.enter(f"{NATIVE}/{name}", caller or ANYBODY)

    def _may_call(self, name: str, link: Link) -> None:
        """Raises Denied unless the caller has the scopes that the tool needs."""
        if self.security is None or link.transport == "stdio":  # there, whoever started the process calls
            return
        self.security.require(self.security.principal(link.principal), self._qualified(name))

    def _qualified(self, name: str) -> str:
        return self.catalogue.tool(name).qualified if name in self.guests else f"{NATIVE}/{name}"

    def require_transport(self, kind: Literal["stdio", "http"], *, websocket: bool = False) -> None:
        """Raises PolicyError where the policy does not let clients in by it."""
        if self.policy is None:
            return
        decisions = [self.policy.transport(one) for one in ([kind, "websocket"] if websocket else [kind])]
        if kind == "http":
            decisions += [self.policy.host_header(host) for host in self.config.transport.settings.allowed_hosts]
        for decision in decisions:
            if not decision.allowed:
                raise PolicyError(f"{decision.place}: the policy refuses this transport: {decision.why}")

    async def call_guest(self, name: str, arguments: bytes, link: Link) -> bytes:
        """Run a WebAssembly tool; the CallToolResult as JSON text. Cancelling the coroutine cancels the call.

        A client that wants to hears of it meanwhile: progress in compute units, diagnostics as log messages.
        """
        assert self._core is not None
        assert self._submit is not None
        keep = None
        if self._recorder is not None:
            tool, limits, outside = self._about[name]
            keep = partial(self._recorder.note, tool, limits, arguments, outside=outside)
        call = GuestCall(self._core, self._submit, self.guests[name], arguments, link.era, link.principal, keep)
        hears = link.progress_token is not None or (link.era == "modern" and link.log_level is not None)
        if not hears:
            return await call.outcome()
        reporter = Reporter(call, link, name, self.limits.max_units)
        return await reporter.outcome()

    def _honoured(self, wishes: Wishes, link: Link) -> Wishes:
        """What of a client's wishes this server can fulfil."""
        if self.registry is None:
            return Wishes(tools_list_changed=wishes.tools_list_changed and self.reloadable)
        wanted = [uri for uri in wishes.resource_subscriptions if self.guard.subscribes(uri)]
        known = [uri for uri in wanted if has_resource(self.registry, uri)]
        tasks = self.tasks.visible(wishes.task_ids, link) if self.tasks is not None else []
        return msgspec.structs.replace(wishes, resource_subscriptions=known, task_ids=tasks)

    def _task_changed(self, method: str, task_id: str, session: str | None, params: dict[str, Any]) -> None:
        """Tell whoever may hear of it."""
        if session is None:
            self.hub.task(task_id, params)
            return
        for one in self.runner.sessions():
            if one.id == session:
                one.tell(method, params)

    def _list_changed(self, what: Literal["tools", "resources", "prompts"]) -> None:
        self._on_loop(self._spread, what)

    def _resource_updated(self, uri: str) -> None:
        self._on_loop(self.hub.updated, uri)

    def _spread(self, what: Literal["tools", "resources", "prompts"]) -> None:
        self.dispatcher.refresh()
        if self._submit is not None:
            self._submit(self._fill)
        self.hub.changed(what)

    def _on_loop(self, act: Callable[..., object], *arguments: object) -> None:
        """Now where nothing runs yet or the loop's thread asks, soon where another thread does, as handlers may."""
        loop = self.loop
        if loop is None or loop is _running_loop():
            act(*arguments)
        else:
            loop.call_soon_threadsafe(act, *arguments)

    def input_ended(self, grace: float) -> None:
        """Nobody will ask any more: streams end now, handlers that still run after `grace` seconds are cancelled."""
        loop = self.loop
        if loop is not None:
            loop.call_soon_threadsafe(self.hub.close)
            loop.call_soon_threadsafe(loop.call_later, grace, self.runner.close)

    def quit(self) -> None:
        """End streams and running handlers, as part of a server's end; on the loop's own thread."""
        self.hub.close()
        self.runner.close()
        if self.tasks is not None:
            self.tasks.stop()
        if self.security is not None and self.loop is not None:
            self._closing = self.loop.create_task(self.security.close())

    def close(self) -> None:
        """End the engine and what still runs in it."""
        self._ending.set()
        self.runtime.close()
        if self.quotas is not None:
            self.quotas.ledger.close()
        if self._recorder is not None:
            self._recorder.close()
        if self.audit is not None:
            self.audit.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def secrets_of(vault: Vault, spec: ToolSpec, config: Config) -> list[tuple[str, str]]:
    """The variables with credentials that a tool is given: what it declares, and what its module's entry says.

    Raises CredentialError.
    """
    entries = [module for module in config.modules() if module.label == spec.module]
    given = [Wanted(one.name, one.variable) for module in entries for one in module.credentials]
    return vault.variables([*spec.binding.credentials, *given], spec.qualified)


def open_quotas(
    config: Config, policy: Evaluator | None = None, names: Mapping[str, str] | None = None
) -> Quotas | None:
    """The quotas that a configuration and its policy's rates ask for, over the store it names; None: none.

    `names`: of tools by ``module/tool``, where they differ from its end. Raises LedgerError.
    """
    metering, requests = config.runtime.wasm.metering, config.runtime.limits.max_requests_per_minute or 0
    wanted = metering.quotas if metering.enabled else type(metering.quotas)()
    asked = msgspec.structs.replace(wanted, per_request=None, store=None)
    rates = Rates(policy, names if names is not None else {}) if policy is not None and policy.has_rates else None
    if asked == type(wanted)() and not requests and rates is None:
        return None
    ledger = Ledger(wanted.store or default_folder())
    return Quotas(ledger, config.server.name, wanted, requests_per_minute=requests, rates=rates)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _failed(message: str) -> dict[str, Any]:
    """A CallToolResult that says what went wrong."""
    return {"content": [{"type": "text", "text": message}], "isError": True}


def _says_something(spec: ToolSpec) -> bool:
    """Whether a command's schema, which is free text to the core, demands anything."""
    return set(spec.input_schema) - {"type", "description", "title", "$schema"} != set()
