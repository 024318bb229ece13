"""Quotas: exact under concurrency, over several processes, through kills and restarts. # A09 A26-A29 A43 A55 A59"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mcpkit.config import loads
from mcpkit.core.meter import ACCOUNT_BYTES, Accounts, Claim, account_key
from mcpkit.metering import ledger as ledgers
from mcpkit.metering.ledger import Ledger, LedgerError
from mcpkit.metering.quotas import ANYBODY, Quotas
from servers import HttpServer, command, http_server, modern, modern_headers
from test_wasm_limits import HOSTILE

NOON = 1_764_072_000
SECONDS = (60, 3600, 86400)
DAY = 10**9


class Clock:
    def __init__(self) -> None:
        self.now = float(NOON)

    def __call__(self) -> float:
        return self.now


# ---- a model of what accounts promise ----


class AccountsMachine(RuleBasedStateMachine):
    """Reservations, refunds and calls in three accounts under a clock that only goes forward, against plain sums."""

    @initialize(
        units=st.lists(st.tuples(*[st.sampled_from([0, 50, 1000, 10**6])] * 3), min_size=3, max_size=3),
        calls=st.lists(st.tuples(*[st.sampled_from([0, 3, 20])] * 3), min_size=3, max_size=3),
    )
    def begin(self, units: list[tuple[int, int, int]], calls: list[tuple[int, int, int]]) -> None:
        self.now = NOON
        self.accounts = Accounts(mmap.mmap(-1, 64 * ACCOUNT_BYTES))
        self.limits = units, calls
        self.claims = [
            Claim(self.accounts, self.accounts.find(account_key(str(i)), NOON) or 0, units[i], calls[i])
            for i in range(3)
        ]
        self.model: list[dict[tuple[int, int, bool], int]] = [{}, {}, {}]
        self.open: list[tuple[int, int, int]] = []

    def _used(self, i: int, w: int, calls: bool) -> int:
        return self.model[i].get((w, self.now // SECONDS[w], calls), 0)

    def _add(self, i: int, count: int, at: int, calls: bool = False) -> None:
        for w in range(3):
            key = (w, at // SECONDS[w], calls)
            if count > 0 or at // SECONDS[w] == self.now // SECONDS[w]:
                self.model[i][key] = max(0, self.model[i].get(key, 0) + count)

    @rule(i=st.integers(0, 2), wanted=st.integers(0, 2000))
    def reserve(self, i: int, wanted: int) -> None:
        rooms = [limit - self._used(i, w, False) for w, limit in enumerate(self.limits[0][i]) if limit]
        expected = max(0, min([wanted, *rooms]))
        assert self.claims[i].reserve(wanted, self.now) == expected
        self._add(i, expected, self.now)
        self.open.append((i, expected, self.now))

    @rule(part=st.floats(0, 1))
    def refund(self, part: float) -> None:
        if self.open:
            i, count, then = self.open.pop()
            back = int(count * part)
            self.claims[i].refund(back, then)
            self._add(i, -back, then)

    @rule(i=st.integers(0, 2), units=st.integers(0, 5000))
    def charge(self, i: int, units: int) -> None:
        self.claims[i].charge(units, self.now)
        self._add(i, units, self.now)

    @rule(i=st.integers(0, 2))
    def call(self, i: int) -> None:
        full = [w for w, limit in enumerate(self.limits[1][i]) if limit and self._used(i, w, True) >= limit]
        refused = self.claims[i].count_call(self.now)
        assert (refused is not None) == bool(full)
        if refused is None:
            self._add(i, 1, self.now, calls=True)
        else:
            window, limit, used, resets = refused
            w = ("per_minute", "per_hour", "per_day").index(window)
            assert (limit, used) == (self.limits[1][i][w], self._used(i, w, True))
            assert self.now < resets <= self.now + SECONDS[w]
            assert resets % SECONDS[w] == 0

    @rule(seconds=st.sampled_from([1, 30, 61, 3601, 86401]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def the_counts_are_the_models(self) -> None:
        if hasattr(self, "claims"):
            for i, claim in enumerate(self.claims):
                expected = [self._used(i, w, calls) for calls in (False, True) for w in range(3)]
                assert list(self.accounts.used(claim.index, self.now)) == expected


TestAccounts = AccountsMachine.TestCase
TestAccounts.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


# ---- the store ----


def spend(ledger: Ledger, name: str, units: int) -> None:
    Claim(ledger.accounts, ledger.account(name)).charge(units, ledger.now())


def test_a_store_remembers(tmp_path: Path) -> None:
    clock = Clock()
    with Ledger(tmp_path / "q", clock=clock, save=False) as ledger:
        spend(ledger, "a", 700)
        with Ledger(tmp_path / "q", clock=clock, save=False) as other:  # another process would see the same
            assert other.used("a")[0] == 700
            spend(other, "a", 1)
        assert ledger.used("a")[0] == 701
    clock.now += 60
    with Ledger(tmp_path / "q", clock=clock, save=False) as ledger:
        assert ledger.used("a")[:3] == (0, 701, 701)


def test_counters_that_are_lost_come_back_from_the_ledger(tmp_path: Path) -> None:
    """A power cut: the mapped file is gone, or as it was some time ago."""
    clock = Clock()
    with Ledger(tmp_path, clock=clock, save=False) as ledger:
        spend(ledger, "a", 700)
    (tmp_path / "counters").unlink()
    clock.now += 61
    with Ledger(tmp_path, clock=clock, save=False) as ledger:
        assert ledger.used("a") == (0, 700, 700, 0, 0, 0)  # the minute is over


def test_an_older_state_of_the_counters_is_raised_after_a_start_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    with Ledger(tmp_path, clock=clock, save=False) as ledger:
        spend(ledger, "a", 100)
        old = (tmp_path / "counters").read_bytes()
        spend(ledger, "a", 600)
    (tmp_path / "counters").write_bytes(old)
    monkeypatch.setattr(ledgers, "_boot", lambda: b"another start".ljust(64))
    with Ledger(tmp_path, clock=clock, save=False) as ledger:
        assert ledger.used("a")[0] == 700


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"mcpkit accounts 9\n" + b"\0" * 5000])
def test_damaged_counters_are_made_anew_from_the_ledger(tmp_path: Path, damage: bytes) -> None:
    clock = Clock()
    with Ledger(tmp_path, clock=clock, save=False) as ledger:
        spend(ledger, "a", 5)
    (tmp_path / "counters").write_bytes(damage)
    with Ledger(tmp_path, clock=clock, save=False) as ledger:
        assert ledger.used("a")[2] == 5


def test_a_damaged_ledger_is_put_aside(tmp_path: Path) -> None:
    with Ledger(tmp_path, save=False) as ledger:
        spend(ledger, "a", 5)
    (tmp_path / "ledger.db").write_bytes(b"this is no database, and longer than a header" * 100)
    for rest in ("-wal", "-shm"):
        (tmp_path / f"ledger.db{rest}").unlink(missing_ok=True)
    with Ledger(tmp_path, save=False) as ledger:
        assert ledger.used("a")[2] == 5
    assert list(tmp_path.glob("ledger.db.damaged-*"))


def test_a_store_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerError, match=r"quotas\.store"):
        Ledger(tmp_path / "file" / "q")


def test_files_are_the_users_own(tmp_path: Path) -> None:
    with Ledger(tmp_path / "q", save=False):
        pass
    assert {oct(path.stat().st_mode & 0o077) for path in (tmp_path / "q").iterdir() if path.name != "lock"} == {"0o0"}


def test_written_within_seconds_while_it_is_open(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        spend(ledger, "a", 9)
        for _ in range(100):
            with sqlite3.connect(tmp_path / "ledger.db") as reader:
                if reader.execute("SELECT day FROM account").fetchall() == [(9,)]:
                    break
            time.sleep(0.1)
        else:
            pytest.fail("not written")


HAMMER = """
import sys
from pathlib import Path
from mcpkit.core.meter import Claim
from mcpkit.metering.ledger import Ledger
with Ledger(Path(sys.argv[1])) as ledger:
    claim, got = Claim(ledger.accounts, ledger.account("a"), units=(0, 0, int(sys.argv[2]))), 0
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(30_000):
        got += claim.reserve(100, ledger.now())
        print(got, flush=True) if i % 1000 == 0 else None
    print(got, flush=True)
"""


def test_processes_share_one_store_and_a_killed_one_loses_nothing(tmp_path: Path) -> None:
    limit = 5_000_000
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", HAMMER, str(tmp_path), str(limit)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for run in runs:
        assert run.stdout
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin
        run.stdin.write("go\n")
        run.stdin.flush()
    victim = runs.pop()
    assert victim.stdout
    told = int(victim.stdout.readline())
    victim.send_signal(signal.SIGKILL)
    told = max([told, *map(int, victim.stdout.read().split())])
    victim.wait()
    assert victim.stdin
    victim.stdin.close()
    victim.stdout.close()
    got = [int(run.communicate()[0].split()[-1]) for run in runs]
    with Ledger(tmp_path) as ledger:
        used = ledger.used("a")[2]
    assert sum(got) + told <= used <= limit
    if sum(got) + told + 100_000 >= limit:  # all was asked for
        assert used == limit


# ---- which quota is whose ----


def quotas(folder: Path, text: str, **more: Any) -> Quotas:
    wanted = loads(f"runtime: {{wasm: {{metering: {{quotas: {text}}}}}}}", "c.yaml").runtime.wasm.metering.quotas
    return Quotas(Ledger(folder, clock=Clock(), save=False), "demo", wanted, **more)


def test_the_first_entry_that_means_a_tool_counts(tmp_path: Path) -> None:
    book = quotas(
        tmp_path,
        "{per_tool: {per_hour: 10}, tools: [{name: 'calc/*', per_hour: 20}, {name: add, per_hour: 30}], per_day: 99}",
        rates={"text/count": (5, 6)},
    )
    assert book.server is not None
    assert book.server.limits == ((0, 0, 99), (0, 0, 0))
    limits = {name: claim.limits for name in ("calc/add", "math/add", "text/count") if (claim := book.tool(name))}
    assert limits == {
        "calc/add": ((0, 20, 0), (0, 0, 0)),
        "math/add": ((0, 30, 0), (0, 0, 0)),
        "text/count": ((0, 10, 0), (5, 6, 0)),
    }
    assert not book.tells_callers_apart


def test_calls_that_python_counts(tmp_path: Path) -> None:
    book = quotas(tmp_path, "{}", requests_per_minute=2)
    assert book.enter("python/a", ANYBODY) is None
    assert book.enter("python/b", ANYBODY) is None
    refused = book.enter("python/a", ANYBODY)
    assert refused is not None
    assert (refused.kind, refused.quota, refused.scope, refused.limit, refused.used) == (
        "rate", "per_minute", "server", 2, 2,
    )  # fmt: skip
    assert refused.resets_at == "2025-11-25T12:01:00Z"
    assert "begins anew" in refused.message


def test_calls_that_are_refused_count_nowhere(tmp_path: Path) -> None:
    """A tool that is asked too often must not use up what the others may use."""
    book = quotas(tmp_path, "{}", requests_per_minute=3, rates={"python/a": (1, 0)})
    refused = [book.enter("python/a", ANYBODY) for _ in range(4)]
    assert [why and why.scope for why in refused] == [None, "tool", "tool", "tool"]
    assert book.enter("python/b", ANYBODY) is None
    assert book.enter("python/b", ANYBODY) is None
    over = book.enter("python/b", ANYBODY)
    assert over is not None
    assert (over.scope, over.limit, over.used) == ("server", 3, 3)


# ---- servers ----

CONFIG = """
server: {{name: quota-test}}
runtime:
  wasm:
    module_path: hostile.wat
    metering: {{quotas: {{store: store, {quotas}}}{more}}}
  limits: {{{limits}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hostile.wat").write_text(HOSTILE)
    return tmp_path


def serve(folder: Path, quotas: str = "", more: str = "", limits: str = "") -> Any:
    config = folder / f"c{len(list(folder.iterdir()))}.yaml"
    config.write_text(CONFIG.format(quotas=quotas, more=more, limits=limits))
    return http_server("--config", str(config))


def day_is_young() -> Iterator[None]:
    """Tests that count within an hour must not run over its end."""
    left = 3600 - time.time() % 3600
    if left < 40:
        time.sleep(left + 1)
    yield


hour = pytest.fixture(day_is_young, name="hour")


def used(folder: Path, name: str = "server\0") -> tuple[int, ...]:
    with Ledger(folder / "store", save=False) as ledger:
        return ledger.used(f"quota-test\0{name}")


def units_of(server: HttpServer, name: str, arguments: object) -> tuple[int, dict[str, Any]]:
    result = server.call(name, arguments).json["result"]
    return result["_meta"]["io.mcpkit/usage"]["computeUnits"], result


def test_a_quota_is_used_to_the_unit_and_never_beyond(folder: Path, hour: None) -> None:
    limit = 3_000_000
    with serve(folder, f"per_hour: {limit}") as server:
        with ThreadPoolExecutor(8) as pool:
            calls = list(
                pool.map(lambda i: units_of(server, *(("small", {"x": i}) if i % 2 else ("spin", {}))), range(60))
            )
        spent = sum(units for units, _ in calls)
        assert used(folder)[1] == spent <= limit
        failed = [result for _, result in calls if result["isError"]]
        error = failed[-1]["_meta"]["io.mcpkit/error"]
        assert (error["kind"], error["quota"], error["scope"], error["limit"]) == ("quota", "per_hour", "server", limit)
        assert 0 < error["retryAfterMs"] <= 3_600_000
        assert error["resetsAt"] in failed[-1]["content"][0]["text"]
        answer = server.call("spin", {})
        assert answer.status == 200
        assert 0 < int(answer.headers["retry-after"]) <= 3600
        assert used(folder)[1] <= limit


def test_small_calls_use_a_quota_up_exactly(folder: Path, hour: None) -> None:
    with serve(folder) as server:
        one, _ = units_of(server, "small", {"x": 1})
    assert one > 0
    with serve(folder, f"per_hour: {10 * one}") as server:
        results = [units_of(server, "small", {"x": 1})[1]["isError"] for _ in range(15)]
    assert results == [False] * 10 + [True] * 5
    assert used(folder)[1] == 10 * one


def test_two_servers_share_a_store(folder: Path, hour: None) -> None:
    limit = 4_000_000
    with ExitStack() as stack:
        servers = [stack.enter_context(serve(folder, f"per_day: {limit}")) for _ in range(2)]
        with ThreadPoolExecutor(8) as pool:
            calls = list(pool.map(lambda i: units_of(servers[i % 2], "spin", {}), range(16)))
    assert sum(units for units, _ in calls) == used(folder)[2] <= limit


def test_a_killed_server_loses_nothing(folder: Path, hour: None) -> None:
    spent = 0
    with (
        contextlib.suppress(AssertionError),  # that it did not end by itself
        serve(folder, "per_day: 900_000_000", more=", max_compute_units: 1M") as server,
    ):
        spent, _ = units_of(server, "spin", {})
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert used(folder)[2] == spent == 1_000_000


def test_each_tool_and_each_entry_has_its_own(folder: Path, hour: None) -> None:
    with serve(folder, "per_tool: {per_hour: 500_000}, tools: [{name: 'hostile/pages', per_hour: 1000}]") as server:
        _, result = units_of(server, "spin", {})
        assert result["_meta"]["io.mcpkit/error"]["scope"] == "tool"
        _, small = units_of(server, "small", {"x": 1})
        assert not small["isError"]
        _, pages = units_of(server, "pages", {})
        assert pages["_meta"]["io.mcpkit/error"]["limit"] == 1000
    assert used(folder, "tool\0hostile/spin")[1] <= 500_000
    assert used(folder, "tool\0hostile/pages")[1] <= 1000


@pytest.mark.parametrize("enforcement", ["tracking", "warning"])
def test_quotas_of_units_are_counted_and_lifted_where_limits_do_not_stop(
    folder: Path, enforcement: str, hour: None
) -> None:
    more = f", enforcement: {enforcement}"
    with serve(folder, "per_hour: 100_000", more=more, limits="execution_time: 300ms") as server:
        result = server.call("spin", {}).json["result"]
        assert result["_meta"]["io.mcpkit/error"]["kind"] == "timeout"
        assert server.call("small", {"x": 1}).json["result"]["isError"] is False
    assert used(folder)[1] > 100_000


def test_requests_per_minute(folder: Path) -> None:  # A55
    if time.time() % 60 > 50:
        time.sleep(11)
    with serve(folder, limits="max_requests_per_minute: 5") as server:
        answers = [server.call("small", {"x": 1}).json["result"] for _ in range(8)]
    assert [answer["isError"] for answer in answers] == [False] * 5 + [True] * 3
    error = answers[-1]["_meta"]["io.mcpkit/error"]
    assert (error["kind"], error["quota"], error["limit"]) == ("rate", "per_minute", 5)


def test_callers_are_told_apart(folder: Path, hour: None) -> None:
    made = [
        subprocess.run(command("key", "new", name), capture_output=True, text=True, check=True)
        for name in ("ann", "ben")
    ]
    entries = [line for run in made for line in run.stderr.splitlines() if line.startswith("    - ")]
    config = folder / "keys.yaml"
    config.write_text(
        CONFIG.format(
            quotas="per_caller: {per_hour: 300_000}, callers: [{name: 'key:ben', per_hour: 1M}]", more="", limits=""
        )
        + "\n".join(["security:", "  api_keys:", *entries])
    )
    with http_server("--config", str(config)) as server:
        for run, limit in zip(made, (300_000, 1_000_000), strict=True):
            key = run.stdout.strip()
            request = modern("tools/call", {"name": "spin", "arguments": {}})
            headers = modern_headers("tools/call", "spin", Authorization=f"Bearer {key}")
            error = server.ask(request, headers).json["result"]["_meta"]["io.mcpkit/error"]
            assert (error["scope"], error["limit"]) == ("caller", limit)
    assert used(folder, "caller\0key:ann")[1] <= 300_000
    assert 300_000 < used(folder, "caller\0key:ben")[1] <= 1_000_000


def test_the_shell_counts_too(folder: Path, hour: None) -> None:
    config = folder / "c.yaml"
    config.write_text(CONFIG.format(quotas="per_hour: 1M", more="", limits=""))
    words = command("call", str(folder / "hostile.wat"), "spin", "{}", "--config", str(config))
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert "quota of 1000000 compute units per hour" in run.stderr
    assert used(folder)[1] <= 1_000_000
    shown = subprocess.run(command("quotas", "--config", str(config)), capture_output=True, text=True, check=True)
    assert shown.stdout.split()[:6] == ["scope", "name", "quota", "used", "of", "begins"]
    (line,) = [line.split() for line in shown.stdout.splitlines() if line.startswith("server")]
    assert line[:4] == ["server", "quota-test", "compute", "units"]
    (entry,) = json.loads(
        subprocess.run(
            command("quotas", "--json", "--config", str(config)), capture_output=True, text=True, check=True
        ).stdout
    )
    assert (entry["scope"], entry["window"], entry["limit"]) == ("server", "hour", 1_000_000)
    assert entry["used"] == used(folder)[1]


def test_quotas_of_a_configuration_without_any(folder: Path) -> None:
    config = folder / "none.yaml"
    config.write_text("runtime: {wasm: {module_path: hostile.wat}}")
    shown = subprocess.run(command("quotas", "--config", str(config)), capture_output=True, text=True, check=True)
    assert "no quotas" in shown.stdout
