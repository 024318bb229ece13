"""What a policy grants a guest: folders that are there, rules, variables."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpkit.config import loads_policy
from mcpkit.policy import Evaluator, Folder, Grants, PathRule, grants_for
from test_policy import PATH_RULES, PATHS, evaluator, fits_path, flow

POLICY = """\
core:
  storage:
    allow:
      - {uri: "fs://data/**", access: [read, write]}
      - {uri: data/in/**}
      - {uri: data.txt, access: [read, execute]}
      - {uri: "other/*.txt"}
      - {uri: gone/**}
    deny:
      - {uri: "data/**/*.key"}
  environment: ["DATABASE_*"]
"""


def test_a_guest_is_granted_folders_that_are_there_with_their_rules(  # A63
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("data/in", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data.txt").touch()
    policy = Evaluator(loads_policy(POLICY, "p.yaml", folder=tmp_path))
    with caplog.at_level(logging.WARNING):
        grants = grants_for(policy, "calculator", {"DATABASE_URL": "u", "HOME": "/h"})
    assert grants.folders == (Folder(host=tmp_path, guest=str(tmp_path)),)  # data.txt is in it, and so is the rest
    assert grants.environment == (("DATABASE_URL", "u"),)
    assert grants.rules[0] == PathRule(pattern=f"{tmp_path}/data/**", access=frozenset({"read", "write"}), allow=True)
    assert grants.rules[2].access == frozenset({"read"})
    assert grants.rules[-1] == PathRule(
        pattern=f"{tmp_path}/data/**/*.key", access=frozenset({"read", "write", "create", "delete"}), allow=False
    )
    (warning,) = caplog.messages
    assert warning.startswith("p.yaml:8: core.storage.allow: gone/**: there is no folder")
    assert warning.endswith("gone; the module calculator will not see it")


def test_folders_are_the_bases_of_rules(tmp_path: Path) -> None:
    for name in ("a/b", "c"):
        (tmp_path / name).mkdir(parents=True)
    policy = Evaluator(loads_policy("core: {storage: [a/**, a/b/**, 'c/?/x']}", folder=tmp_path))
    assert [folder.host for folder in grants_for(policy, "m", {}).folders] == [tmp_path / "a", tmp_path / "c"]


def test_a_rule_for_a_folder_without_a_wildcard_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grants_for(Evaluator(loads_policy("core: {storage: ['./']}", folder=tmp_path)), "m", {})
    assert f"allows the folder itself and nothing in it; write {tmp_path}/**" in caplog.text


def test_without_a_policy_or_rules_nothing_is_granted() -> None:
    assert grants_for(None, "m", {"HOME": "/h"}) == Grants()
    assert grants_for(Evaluator(loads_policy("version: '1.0'")), "m", {"HOME": "/h"}) == Grants()


def granted(grants: Grants, path: list[str]) -> bool:
    """Whether a path may be read, by the contract of `PathRule`."""

    def names(rule: PathRule) -> list[str]:
        return rule.pattern.strip("/").split("/")

    rules = [rule for rule in grants.rules if "read" in rule.access]
    if any(
        rule.allow and "*" not in rule.pattern and "?" not in rule.pattern and names(rule) == path for rule in rules
    ):
        return True
    ends = range(len(path) + 1)
    if any(not rule.allow and any(fits_path(names(rule), path[:end]) for end in ends) for rule in rules):
        return False
    return any(rule.allow and fits_path(names(rule), path) for rule in rules)


@given(PATH_RULES, PATH_RULES, PATHS)
def test_the_granted_rules_say_what_the_evaluator_says(  # A63, N11
    allow: list[list[str]], deny: list[list[str]], path: list[str]
) -> None:
    uris = [["/" + "/".join(names) for names in rules] for rules in (allow, deny)]
    policy = evaluator(flow({"core": {"storage": {"allow": uris[0], "deny": uris[1]}}}))
    grants = grants_for(policy, "m", {})
    assert granted(grants, path) is policy.storage("/" + "/".join(path), "read").allowed


@given(st.text("AB_", min_size=1, max_size=3))
def test_granted_variables_are_those_the_evaluator_allows(name: str) -> None:
    policy = evaluator("core: {environment: {allow: ['A*'], deny: ['*_']}}")
    assert bool(grants_for(policy, "m", {name: "v"}).environment) is policy.environment(name).allowed
