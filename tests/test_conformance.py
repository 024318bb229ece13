"""The official conformance suite, whole, against an ordinary server: every revision and every extension. # N07"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import conformance


def result(name: str, *statuses: str) -> conformance.Scenario:
    return conformance.Scenario(name, [conformance.Check(name, status, "") for status in statuses])


@pytest.fixture(scope="module")
def runs() -> dict[str, conformance.Run]:
    try:
        return {run.title: run for run in conformance.run_all(conformance.RUNS)}
    except conformance.UnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("title", ["requirements 2025-11-25", "requirements 2026-07-28", "suite all"])
def test_every_check_passes(runs: dict[str, conformance.Run], title: str) -> None:
    run = runs[title]
    assert run.passed, conformance.report([run], verbose=True)
    assert run.counts["FAILURE"] == run.counts["WARNING"] == 0
    assert run.counts["SKIPPED"] <= len(conformance.NEVER_RUN)


def test_what_counts_as_passed() -> None:
    def passed(*scenarios: conformance.Scenario) -> bool:
        return conformance.Run("", list(scenarios)).passed

    skipped = result("tasks-status-notifications", "SKIPPED")
    assert passed(result("ping", "SUCCESS", "INFO"), skipped)
    assert not passed(result("ping", "SUCCESS", "FAILURE"))
    assert not passed(result("ping", "SUCCESS", "WARNING"))
    assert not passed(result("ping", "SUCCESS", "SKIPPED"))
    assert not passed(skipped)
    assert not passed()


@pytest.mark.usefixtures("runs")  # only where the suite is installed
def test_a_scenario_that_does_not_exist_is_no_success() -> None:
    """The runner says so in its exit code."""
    command = [sys.executable, conformance.__file__, "--url", "http://127.0.0.1:9/mcp", "--scenario", "nonesuch"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "0 checks passed, 1 failed" in ended.stdout
