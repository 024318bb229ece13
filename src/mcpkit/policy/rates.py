"""How often tools may be called, in the shape that quotas take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mcpkit.policy.evaluator import Evaluator


class Rates(Mapping[str, tuple[int, int]]):
    """Calls per minute and per hour by ``module/tool``, 0 for any number; without the tools that have no rate.

    Knows every tool that is asked for, and lists those of `names`.
    """

    def __init__(self, policy: Evaluator, names: Mapping[str, str]) -> None:
        """`names`: what clients call tools; without an entry it is the end of ``module/tool``."""
        self._policy = policy
        self._names = names

    def __getitem__(self, qualified: str) -> tuple[int, int]:
        rate = self._policy.rate(self._names.get(qualified, qualified.rpartition("/")[2]), qualified)
        if rate is None:
            raise KeyError(qualified)
        return rate.per_minute or 0, rate.per_hour or 0

    def __iter__(self) -> Iterator[str]:
        return (qualified for qualified in self._names if qualified in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
