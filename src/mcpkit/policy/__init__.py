"""Policies: what tools may be used and what they may reach."""

from mcpkit.policy.audit import Audit
from mcpkit.policy.decision import Decision
from mcpkit.policy.evaluator import Evaluator, PolicyError, Rate
from mcpkit.policy.granting import grants_for
from mcpkit.policy.grants import Access, Folder, Grants, PathRule
from mcpkit.policy.preopens import GrantError
from mcpkit.policy.rates import Rates

__all__ = [
    "Access",
    "Audit",
    "Decision",
    "Evaluator",
    "Folder",
    "GrantError",
    "Grants",
    "PathRule",
    "PolicyError",
    "Rate",
    "Rates",
    "grants_for",
]
