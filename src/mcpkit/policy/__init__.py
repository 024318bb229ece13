"""Policies: what tools may be used and what they may reach."""

from mcpkit.policy.audit import Audit
from mcpkit.policy.decision import Decision, PolicyError
from mcpkit.policy.evaluator import Evaluator, Rate
from mcpkit.policy.granting import grants_for
from mcpkit.policy.grants import Access, Folder, Grants, PathRule
from mcpkit.policy.preopens import GrantError, Preopen, preopens
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
    "Preopen",
    "Rate",
    "Rates",
    "grants_for",
    "preopens",
]
