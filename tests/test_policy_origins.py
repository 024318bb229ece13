"""A policy among several files, in the list of where limits come from, and in the JSON Schema for editors."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mcpkit.config import Limits, gather, limit_origins, loads, needs_restart, under_policy
from mcpkit.config.json_schema import json_schema
from mcpkit.config.limits import effective_limits
from servers import command

POLICY = "core: {resources: {limits: {memory: 64Mi,\n  fuel: 1M}}}\ntools:\n  - add\n"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A configuration, and another one over it, in another folder, with a policy in a file of its own."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "config.yaml").write_text("runtime: {limits: {execution_time: 5s}}\n")
    (tmp_path / "rules/more.yaml").write_text("policy: policy.yaml\n")
    (tmp_path / "rules/policy.yaml").write_text(POLICY)
    return [tmp_path / "config.yaml", tmp_path / "rules/more.yaml"]


def test_a_policy_of_a_later_file_is_found_beside_that_file(files: list[Path]) -> None:  # A40
    policy = gather(files, {}).config.policy
    assert policy is not None
    assert policy.tools is not None
    place = policy.tools.allow[0].place
    assert (str(place), place.folder) == (f"{files[1].parent}/policy.yaml:4", files[1].parent)


def test_limits_of_a_policy_say_where_they_come_from(files: list[Path]) -> None:  # A41
    loaded = gather(files, {})
    limits = effective_limits(loaded.config)
    origins = {name: str(origin) for name, origin in limit_origins(loaded, limits, {}).items()}
    policy = f"{files[1].parent}/policy.yaml"
    assert origins["max_memory"] == f"{policy}:1 (policy.core.resources.limits.memory)"
    assert origins["max_units"] == f"{policy}:2 (policy.core.resources.limits.fuel)"
    assert origins["enforcement"] == f"{policy}:2 (policy.core.resources.limits.fuel)"
    assert origins["timeout_ns"] == f"{files[0]}:1 (runtime.limits.execution_time)"
    given = Limits().override(max_units=5, max_memory=1 << 30)
    flags = {"max_units": "--max-compute-units", "max_memory": "--max-memory"}
    capped = under_policy(given, loaded.config.policy)
    found = {name: str(origin) for name, origin in limit_origins(loaded, capped, flags).items()}
    assert found["max_units"] == "flag --max-compute-units"
    assert found["max_memory"] == f"{policy}:1 (policy.core.resources.limits.memory)"


@pytest.mark.parametrize(
    "policy",
    [
        "policy.yaml",
        {"tools": ["add", {"name": "m/*", "max_calls_per_minute": 3}]},
        {"mcp": {"tools": {"allow": ["add"], "deny": ["*"]}, "transport": {"http": True, "stdio": True}}},
        {"core": {"storage": ["/data/**"], "network": {"allow": ["*.example.org", {"cidr": "10.0.0.0/8"}]}}},
    ],
)
def test_the_schema_for_editors_takes_every_way_to_write_a_policy(policy: object) -> None:
    assert list(Draft202012Validator(json_schema()).iter_errors({"policy": policy})) == []


@pytest.mark.parametrize(
    "policy", [{"tool": ["add"]}, {"tools": [{"nmae": "x"}]}, {"core": {"storage": 3}}, {"place": 1}]
)
def test_the_schema_for_editors_refuses_what_is_none(policy: object) -> None:
    assert list(Draft202012Validator(json_schema()).iter_errors({"policy": policy}))


def test_what_config_show_prints_means_the_same(files: list[Path], tmp_path: Path) -> None:
    done = subprocess.run(
        command("config", "show", "--config", str(files[1])), capture_output=True, text=True, timeout=60, check=True
    )
    (tmp_path / "shown.yaml").write_text(done.stdout)
    shown = gather([tmp_path / "shown.yaml"], {}).config.policy
    assert shown is not None
    assert shown.tools is not None
    assert (shown.tools.allow[0].name, shown.core.resources.limits.fuel) == ("add", 1_000_000)
    as_json = command("config", "show", "--json", "--config", str(files[1]))
    said = json.loads(subprocess.run(as_json, capture_output=True, timeout=60, check=True).stdout)
    assert said["config"]["policy"]["tools"]["allow"][0]["name"] == "add"
    assert "place" not in said["config"]["policy"]


def test_a_policy_that_only_moves_needs_no_restart_and_one_that_changes_does() -> None:
    policy = "policy: {tools: [add], core: {storage: [data/**]}}\n"
    running = loads(policy)
    assert needs_restart(running, loads("\n\n" + policy)) == []
    assert needs_restart(running, loads(policy.replace("add", "sub"))) == ["policy.tools.allow"]
    assert needs_restart(running, loads(policy, folder="elsewhere"))  # data/** is another folder there
