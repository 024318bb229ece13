"""Runs calls as tasks and answers ``tasks/…`` of both forms. No I/O of its own: the store does that."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, TypeVar

import msgspec

from mcpkit.config import Tasks as TasksConfig
from mcpkit.mcp import task_view, tasks
from mcpkit.mcp.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, NAMES, McpError, invalid_params
from mcpkit.mcp.link import Link
from mcpkit.mcp.params import ListParams
from mcpkit.mcp.revisions import Era
from mcpkit.mcp.task_link import TaskLink
from mcpkit.mcp.tasks import Support
from mcpkit.storage import TERMINAL, Status, StorageError, TaskRecord, TaskStore

log = logging.getLogger("mcpkit.mcp")

PAGE = 100
"""Tasks of one page of ``tasks/list``."""
LEAST_TTL_MS = 1000
"""A client that asks for less would never see its result."""
SWEEP_SECONDS = 60.0
"""Expired tasks go when their time is over, and at the latest so long after it (the machine may have slept)."""
CLOSE_SECONDS = 5.0
"""How long handlers that were told to stop may take."""
MESSAGE_LENGTH = 500
ANYBODY = ""
"""Owner of tasks whose client nothing tells apart from others: the id alone opens them."""

Run = Callable[[Link], Awaitable[dict[str, Any]]]
Begin = Literal["at once", "by the tool"]
Changed = Callable[[str, str, str | None, dict[str, Any]], None]

S = TypeVar("S", bound=msgspec.Struct)


class _Which(msgspec.Struct, frozen=True):
    task_id: str = msgspec.field(name="taskId")


class _Update(msgspec.Struct, frozen=True):
    task_id: str = msgspec.field(name="taskId")
    responses: dict[str, dict[str, Any]] = msgspec.field(name="inputResponses")


class Tasks:
    """The tasks of one server; used from one event loop."""

    def __init__(
        self,
        store: TaskStore,
        config: TasksConfig,
        *,
        identify: Callable[[int], str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`identify`: the name that a caller's number stands for, the same after a restart; without it a caller's
        tasks are out of reach after one. `clock`: seconds since 1970.
        """
        self.changed: list[Changed] = []
        """Told of every change of a status: notification method, task id, session (None: has none), parameters."""
        self._store = store
        self._config = config
        self._identify = identify
        self._clock = clock
        self._process = secrets.token_hex(8)
        self._poll_ms = max(config.poll_interval // 1_000_000, 1)
        self._links: dict[str, TaskLink] = {}
        self._runners: dict[str, asyncio.Task[dict[str, Any]]] = {}
        self._background: set[asyncio.Task[dict[str, Any]]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    # What the server says of itself, and of one call.

    def capability(self, era: Era) -> dict[str, Any]:
        """What tasks add to the server's capabilities."""
        return tasks.capability(era)

    def wants(
        self,
        era: Era,
        params: dict[str, Any],
        client_capabilities: dict[str, Any],
        tool_support: Support,
        revision: str | None = None,
    ) -> bool:
        """Whether this ``tools/call`` becomes a task; see `mcpkit.mcp.tasks.wants`."""
        return tasks.wants(era, params, client_capabilities, tool_support, revision)

    async def create(
        self, name: str, params: dict[str, Any], link: Link, run: Run, *, begin: Begin = "at once"
    ) -> dict[str, Any]:
        """Run a call of the tool `name` as a task: the ``CreateTaskResult``, given once the task is kept.

        `run` gets the task's link and returns the members of a tool result, or raises McpError. With ``by the tool`` a
        modern handler is an ordinary call until it awaits ``begin_task()`` of its link: it may ask the client first,
        and what it returns or raises before is handed through. Raises McpError where there are too many tasks already.
        """
        ttl_ms = tasks.requested_ttl_ms(params) if link.era == "legacy" else None
        task_link = TaskLink(link, self, name, ttl_ms)
        if begin == "at once" or link.era == "legacy":
            await task_link.begin_task()
        runner = asyncio.create_task(self._drive(task_link, run))
        self._background.add(runner)
        runner.add_done_callback(self._background.discard)
        if task_link.task_id is None:
            try:
                await _first(runner, task_link)
            except asyncio.CancelledError:
                if task_link.task_id is not None:
                    # Nobody will ever know its id.
                    runner.cancel()
                    self._drop([task_link.task_id])
                raise
        if task_link.task_id is None:
            return runner.result()
        record = self._store.peek(task_link.task_id)
        if record is None:
            raise McpError(INTERNAL_ERROR, "the task was over before its id could be told")
        if record.status not in TERMINAL:
            self._runners[record.id] = runner
        return task_view.created(record, link.era, self._poll_ms)

    async def handle(self, method: str, params: dict[str, Any], link: Link) -> dict[str, Any]:
        """Answer one of the ``tasks/…`` methods of the link's era: the result's members, without ``resultType``."""
        self.sweep()
        self._arm()
        if link.era == "modern":
            tasks.require_declared(link.capabilities)
        match link.era, method:
            case "legacy", "tasks/get":
                record = await self._find(_read(_Which, params).task_id, link)
                return task_view.task(record, "legacy", self._poll_ms)
            case "legacy", "tasks/result":
                return await self._result(_read(_Which, params).task_id, link)
            case "legacy", "tasks/list":
                return self._list(params, link)
            case "legacy", "tasks/cancel":
                return await self._cancel_legacy(_read(_Which, params).task_id, link)
            case "modern", "tasks/get":
                return await self._detail(await self._find(_read(_Which, params).task_id, link))
            case "modern", "tasks/update":
                update = _read(_Update, params)
                record = await self._find(update.task_id, link)
                running = self._links.get(record.id)
                if running is not None:
                    running.update(update.responses)
                return {}
            case "modern", "tasks/cancel":
                record = await self._find(_read(_Which, params).task_id, link)
                await self._cancel(record)
                return {}
        raise McpError(METHOD_NOT_FOUND, f"{NAMES[METHOD_NOT_FOUND]}: {method}")

    def visible(self, task_ids: Iterable[str], link: Link) -> list[str]:
        """Those of `task_ids` that the client may hear of: for ``taskIds`` of ``subscriptions/listen``.

        Raises -32021 where there are any and the client does not know the extension.
        """
        wanted = list(dict.fromkeys(task_ids))
        if wanted:
            tasks.require_declared(link.capabilities)
        owner = self._owner(link)
        return [name for name in wanted if (task := self._store.peek(name)) is not None and task.owner == owner]

    def forget_session(self, session: str) -> None:
        """A legacy session has ended: its tasks end with it, unless they belong to a caller who can come back."""
        self._drop(self._store.of_owner(f"session:{session}"))

    def sweep(self) -> None:
        """Stop and forget what has expired. It happens by itself as well."""
        self._drop(self._store.expired(self._now()))

    def stop(self) -> None:
        """Tell every running task to end; nobody waits any more. The store is open still.

        In a store that outlives the process, what runs now has failed at the next start.
        """
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task_id, runner in self._runners.items():
            record = self._store.peek(task_id)
            if record is not None and record.status not in TERMINAL:
                runner.cancel()
        for link in list(self._links.values()):
            link.finish()

    async def close(self) -> None:
        """Stop, give handlers a while to end, and close the store."""
        self.stop()
        if self._background:
            await asyncio.wait(self._background, timeout=CLOSE_SECONDS)
        await asyncio.to_thread(self._store.close)

    # Running.

    async def _drive(self, link: TaskLink, run: Run) -> dict[str, Any]:
        """The whole life of one call. What it returns or raises before the task has begun is the caller's."""
        try:
            result = await run(link)
        except asyncio.CancelledError:
            if link.task_id is None:
                raise
            if not self._closing:
                await self._finish(link.task_id, "cancelled", "The call was cancelled.", None)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if link.task_id is None:
                raise
            if not isinstance(error, McpError):
                log.error("the task %s of the tool %s failed", _short(link.task_id), link.tool, exc_info=error)
                error = McpError(INTERNAL_ERROR, f"{NAMES[INTERNAL_ERROR]}; the server's log has the details")
            await self._fail(link.task_id, error)
        else:
            if link.task_id is None:
                return result
            message = _first_text(result) if result.get("isError") is True else None
            await self._finish(link.task_id, "completed", message, result)
        return {}

    async def begin(self, link: TaskLink, message: str | None) -> str:
        self.sweep()
        owner = self._owner(link)
        self._make_room(owner)
        config, now = self._config, self._now()
        asked = config.default_ttl // 1_000_000 if link.ttl_ms is None else link.ttl_ms
        record = TaskRecord(
            id=secrets.token_urlsafe(24),
            owner=owner,
            era=link.era,
            tool=link.tool,
            status="working",
            message=message[:MESSAGE_LENGTH] if message else None,
            created_ms=now,
            updated_ms=now,
            ttl_ms=min(max(asked, LEAST_TTL_MS), config.max_ttl // 1_000_000),
        )
        try:
            record = await self._store.add(record)
        except StorageError as error:
            log.error("no task for the tool %s: %s", link.tool, error)
            raise McpError(INTERNAL_ERROR, "the task could not be stored; the server's log has the details") from None
        self._links[record.id] = link
        self._arm()
        log.debug("task %s of the tool %s begins", _short(record.id), link.tool)
        return record.id

    def _make_room(self, owner: str) -> None:
        """See to it that one more task fits; cancelled ones, which nobody wants, make room. Raises McpError."""
        config, store = self._config, self._store
        if owner != ANYBODY and store.count(owner) >= config.max_tasks_per_client:
            oldest = store.oldest_cancelled(owner)
            if oldest is None:
                raise _too_many(f"this client has {config.max_tasks_per_client}", "tasks.max_tasks_per_client")
            self._drop([oldest])
        if store.total >= config.max_tasks:
            oldest = store.oldest_cancelled(None)
            if oldest is None:
                raise _too_many(f"the server has {config.max_tasks}", "tasks.max_tasks")
            self._drop([oldest])

    async def _fail(self, task_id: str, error: McpError) -> None:
        body: dict[str, Any] = {"code": error.code, "message": error.message}
        with contextlib.suppress(TypeError, ValueError):
            if error.data is not None and len(msgspec.json.encode(error.data)) <= self._config.max_result_size:
                body["data"] = error.data
        await self._finish(task_id, "failed", error.message, body)

    async def _finish(self, task_id: str, status: Status, message: str | None, outcome: dict[str, Any] | None) -> None:
        """The task's last change, unless it has had it already."""
        record = self._store.peek(task_id)
        if record is None or record.status in TERMINAL:
            return
        tool_error = status == "completed" and outcome is not None and outcome.get("isError") is True
        try:
            encoded = b"" if outcome is None else msgspec.json.encode(outcome)
        except Exception as error:
            log.error("the result of the task %s of the tool %s is no JSON: %s", _short(task_id), record.tool, error)
            await self._fail(task_id, McpError(INTERNAL_ERROR, "the tool's result cannot be written as JSON"))
            return
        too_large = self._too_large(len(encoded)) if status == "completed" else None
        if too_large is not None:
            await self._fail(task_id, McpError(INTERNAL_ERROR, too_large))
            return
        record = msgspec.structs.replace(
            record,
            status=status,
            message=message[:MESSAGE_LENGTH] if message else None,
            updated_ms=self._now(),
            tool_error=tool_error,
            size=len(encoded),
        )
        self._runners.pop(task_id, None)
        try:
            await self._store.finish(record, encoded)
        except StorageError as error:
            log.error("the outcome of the task %s is kept in memory only: %s", _short(task_id), error)
        link = self._links.pop(task_id, None)
        if link is not None:
            link.finish()
        log.debug("task %s of the tool %s: %s", _short(task_id), record.tool, status)
        self._tell(record, encoded, link)

    def _too_large(self, size: int) -> str | None:
        config = self._config
        if size > config.max_result_size:
            return f"the result has {size} bytes, more than the {config.max_result_size} of tasks.max_result_size"
        if self._store.total_bytes + size > config.max_total_size:
            return f"there is no room for the result: all results together may have {config.max_total_size} bytes"
        return None

    def _drop(self, task_ids: list[str]) -> None:
        """Stop and forget tasks."""
        self._store.remove(task_ids)
        for task_id in task_ids:
            runner = self._runners.pop(task_id, None)
            if runner is not None:
                runner.cancel()
            link = self._links.pop(task_id, None)
            if link is not None:
                link.finish()

    def heard(self, link: TaskLink, method: str, params: dict[str, Any]) -> None:
        """Progress becomes the status message; a legacy client that waits for the result gets it on its stream too."""
        assert link.task_id is not None
        record = self._store.peek(link.task_id)
        if record is None or record.status in TERMINAL:
            return
        if method == "notifications/progress":
            text = _progress_text(params)
            self._store.change(msgspec.structs.replace(record, message=text, updated_ms=self._now()))
            if link.client_token is None:
                return
            params = {**params, "progressToken": link.client_token}
        if link.era == "legacy" and link.courier is not None:
            link.courier.notify(method, task_view.related(params, record.id))

    def questions_changed(self, link: TaskLink) -> None:
        assert link.task_id is not None
        record = self._store.peek(link.task_id)
        status: Status = "input_required" if link.questions else "working"
        if record is None or record.status in TERMINAL:
            return
        # A question more or less is news in the modern era, where the notification names them all.
        if record.status == status and not (link.era == "modern" and link.questions):
            return
        record = msgspec.structs.replace(record, status=status, updated_ms=self._now())
        self._store.change(record)
        self._tell(record, b"", link)

    def _tell(self, record: TaskRecord, outcome: bytes, link: TaskLink | None) -> None:
        if not self.changed:
            return
        session = None if link is None else link.session
        if record.era == "legacy":
            method, params = "notifications/tasks/status", task_view.task(record, "legacy", self._poll_ms)
        else:
            requests = {} if link is None else link.requests()
            method = "notifications/tasks"
            params = task_view.detailed(record, self._poll_ms, requests=requests, outcome=outcome)
        for listener in self.changed:
            try:
                listener(method, record.id, session, params)
            except Exception:
                log.exception("a listener to changes of tasks failed")

    # Looking up.

    def _owner(self, link: Link) -> str:
        """Who a link's client is: the authenticated caller, else the one on stdio, else the session, else anybody."""
        if link.principal:
            if self._identify is not None:
                return f"caller:{self._identify(link.principal)}"
            return f"number:{self._process}:{link.principal}"
        if link.transport == "stdio":
            return "stdio"
        return f"session:{link.session}" if link.session else ANYBODY

    async def _find(self, task_id: str, link: Link) -> TaskRecord:
        record = await self._store.find(task_id)
        if record is None or record.owner != self._owner(link):
            raise invalid_params(f"task not found: {task_id[:64]!r} is unknown, has expired, or is another client's")
        return record

    async def _outcome(self, record: TaskRecord) -> bytes:
        try:
            outcome = await self._store.outcome(record.id)
        except StorageError as error:
            log.error("the outcome of the task %s: %s", _short(record.id), error)
            outcome = b""
        if not outcome:
            raise McpError(INTERNAL_ERROR, "the task's result could not be read")
        return outcome

    async def _detail(self, record: TaskRecord) -> dict[str, Any]:
        link = self._links.get(record.id)
        requests = link.requests() if link is not None else {}
        outcome = await self._outcome(record) if record.status in ("completed", "failed") else b""
        return task_view.detailed(record, self._poll_ms, requests=requests, outcome=outcome)

    async def _result(self, task_id: str, link: Link) -> dict[str, Any]:
        record = await self._find(task_id, link)
        running = self._links.get(task_id)
        if running is not None:
            await running.deliver(link)
            record = await self._find(task_id, link)
        if record.status not in TERMINAL:
            raise McpError(INTERNAL_ERROR, "the server is stopping")
        return task_view.payload(record, b"" if record.status == "cancelled" else await self._outcome(record))

    def _list(self, params: dict[str, Any], link: Link) -> dict[str, Any]:
        cursor = _read(ListParams, params).cursor
        after = 0
        if cursor:
            if not (cursor.startswith("t") and cursor[1:].isdecimal() and len(cursor) < 20):
                raise invalid_params(f"unknown cursor {cursor[:64]!r}; start again without one")
            after = int(cursor[1:])
        owner = self._owner(link)
        found = [] if owner == ANYBODY else self._store.page(owner, after, PAGE + 1)
        page = found[:PAGE]
        out: dict[str, Any] = {"tasks": [task_view.task(record, "legacy", self._poll_ms) for record in page]}
        if len(found) > PAGE:
            out["nextCursor"] = f"t{page[-1].number}"
        return out

    async def _cancel_legacy(self, task_id: str, link: Link) -> dict[str, Any]:
        record = await self._find(task_id, link)
        if not await self._cancel(record):
            shown = task_view.task(record, "legacy", self._poll_ms)["status"]
            raise invalid_params(f"the task cannot be cancelled: it is {shown} already")
        return task_view.task(await self._find(task_id, link), "legacy", self._poll_ms)

    async def _cancel(self, record: TaskRecord) -> bool:
        """Cancelled from now on, whatever the handler still does. False: it was finished already."""
        if record.status in TERMINAL:
            return False
        runner = self._runners.get(record.id)
        finishing = self._finish(record.id, "cancelled", "The client cancelled the task.", None)
        if runner is not None:
            # The handler is told first; _finish marks the task before the handler's own end is looked at.
            runner.cancel()
        await finishing
        return True

    # Time.

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _arm(self) -> None:
        next_ms = self._store.next_expiry_ms()
        if self._timer is None and next_ms is not None and not self._closing:
            delay = min(max((next_ms - self._now()) / 1000, 0.05), SWEEP_SECONDS)
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        self._arm()


async def _first(runner: asyncio.Task[dict[str, Any]], link: TaskLink) -> None:
    """Wait until the call is over or has begun its task. Who gives up before takes the call with it."""
    try:
        awaited: list[asyncio.Future[Any]] = [runner, link.began]
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        if link.task_id is None:
            runner.cancel()
            with contextlib.suppress(BaseException):
                await runner
        raise


def _read(struct: type[S], params: dict[str, Any]) -> S:
    try:
        return msgspec.convert(params, struct)
    except msgspec.MsgspecError as error:
        raise invalid_params(str(error)) from None


def _too_many(how_many: str, setting: str) -> McpError:
    return McpError(
        INTERNAL_ERROR, f"too many tasks: {how_many} already ({setting}); cancel one or wait until one expires"
    )


def _progress_text(params: dict[str, Any]) -> str:
    message = params.get("message")
    if isinstance(message, str) and message:
        return message[:MESSAGE_LENGTH]
    done, total = params.get("progress"), params.get("total")
    return f"{done}" if total is None else f"{done} of {total}"


def _first_text(result: dict[str, Any]) -> str | None:
    """What a failed tool said, for the status message."""
    content = result.get("content")
    first = content[0] if isinstance(content, list) and content else None
    text = first.get("text") if isinstance(first, dict) else None
    return text if isinstance(text, str) else None


def _short(task_id: str) -> str:
    """Ids open tasks: the log gets enough of one to tell it from others."""
    return task_id[:8] + "…"
