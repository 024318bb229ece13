"""A policy's decisions with 500 rules: names asked before, names never asked before, and the evaluator compiled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mcpkit.config import Policy, loads_policy
from mcpkit.policy import Decision, Evaluator

RULES = 500


def policy() -> Policy:
    """Half of the rules exact, half with wildcards; a fifth denies."""
    lines = []
    for section, key, exact, wild in (
        ("tools", "name", "module{}/tool", "module{}/*"),
        ("environment", "key", "VARIABLE_{}", "PREFIX_{}_*"),
        ("storage", "uri", "/data/folder{}/file", "/data/folder{}/**/*.txt"),
        ("network", "host", "host{}.example.com", "*.domain{}.example.org"),
    ):
        rules = [f"{{{key}: '{(exact if i % 2 else wild).format(i)}'}}" for i in range(RULES)]
        cut = RULES * 4 // 5
        lines.append(f"{section}: {{allow: [{', '.join(rules[:cut])}], deny: [{', '.join(rules[cut:])}]}}")
    tools, *core = lines
    return loads_policy(f"mcp:\n  {tools}\ncore:\n" + "".join(f"  {line}\n" for line in core))


COMPILED = Evaluator(policy())

QUESTIONS: dict[str, Callable[[int], Decision]] = {
    "tool": lambda i: COMPILED.tool(f"tool{i}", f"module{i % RULES}/tool"),
    "environment": lambda i: COMPILED.environment(f"PREFIX_{i % RULES}_{i}"),
    "storage": lambda i: COMPILED.storage(f"/data/folder{i % RULES}/a/{i}.txt", "read"),
    "network": lambda i: COMPILED.network(f"h{i}.domain{i % RULES}.example.org", 443),
}


@pytest.mark.parametrize("kind", QUESTIONS)
def test_bench_a_decision_asked_before(benchmark: BenchmarkFixture, kind: str) -> None:
    questions = {
        "tool": lambda: COMPILED.tool("tool", "module7/tool"),
        "environment": lambda: COMPILED.environment("PREFIX_8_X"),
        "storage": lambda: COMPILED.storage("/data/folder8/a/b.txt", "read"),
        "network": lambda: COMPILED.network("a.domain8.example.org", 443),
    }
    benchmark.group = f"policy, {RULES} rules: {kind}"
    benchmark.name = "asked before"
    assert benchmark(questions[kind]).allowed


@pytest.mark.parametrize("kind", QUESTIONS)
def test_bench_a_decision_never_asked_before(benchmark: BenchmarkFixture, kind: str) -> None:
    numbers: Iterator[int] = itertools.count(RULES)
    question = QUESTIONS[kind]
    benchmark.group = f"policy, {RULES} rules: {kind}"
    benchmark.name = "never asked before"
    benchmark.extra_info |= {"reference": True}
    assert benchmark(lambda: question(next(numbers))).rule is not None


def test_bench_compile(benchmark: BenchmarkFixture) -> None:
    given = policy()
    benchmark.group = f"policy, {4 * RULES} rules: compiled"
    assert benchmark(lambda: Evaluator(given)).policy is given
