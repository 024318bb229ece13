"""From a policy to what one guest is granted."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from mcpkit.policy.decision import ALLOW, DENY
from mcpkit.policy.evaluator import Evaluator, accesses
from mcpkit.policy.grants import Access, Folder, Grants, PathRule
from mcpkit.policy.links import real_rules
from mcpkit.policy.names import is_wild
from mcpkit.policy.paths import base_of

log = logging.getLogger("mcpkit.policy")

_KNOWN: tuple[Access, ...] = ("read", "write", "create", "delete")


def grants_for(policy: Evaluator | None, module: str, environ: Mapping[str, str] | None = None) -> Grants:
    """What the policy grants a module's guests: folders that are there, rules, and variables of `environ` (by default
    the process's own). Nothing without a policy. Folders that are not there are warned about."""
    if policy is None:
        return Grants()
    rules = _rules(policy)
    return Grants(
        folders=_folders(policy, module) if any(rule.allow for rule in rules) else (),
        rules=rules,
        environment=policy.variables(os.environ if environ is None else environ),
    )


def _rules(policy: Evaluator) -> tuple[PathRule, ...]:
    """As the file has them, except that what is denied by name is not allowed by the same name."""
    denied: dict[str, set[str]] = {}
    for entry in policy.storage_entries:
        if entry.decision.strength == DENY:
            denied.setdefault(entry.pattern, set()).update(accesses(entry))
    out = []
    for entry in policy.storage_entries:
        access = {one for one in _KNOWN if one in accesses(entry)}
        if entry.decision.strength == ALLOW:
            access -= denied.get(entry.pattern, set())
        if access:
            out.append(PathRule(pattern=entry.pattern, access=frozenset(access), allow=entry.allow))
    return real_rules(out)


def _folders(policy: Evaluator, module: str) -> tuple[Folder, ...]:
    """The folder that each rule's paths are in; one inside another one is left out."""
    found: dict[Path, None] = {}
    for entry in policy.storage_entries:
        if not entry.allow:
            continue
        base = Path(base_of(entry.pattern) or "/")
        if not is_wild(entry.pattern) and base.is_dir():
            log.warning(
                "%s: %s allows the folder itself and nothing in it; write %s/** for all that is in it",
                entry.decision.place,
                entry.decision.rule,
                entry.pattern.rstrip("/"),
            )
        folder = base if base.is_dir() or is_wild(entry.pattern) else base.parent
        if folder.is_dir():
            found[folder] = None
        else:
            log.warning(
                "%s: %s: there is no folder %s; the module %s will not see it",
                entry.decision.place,
                entry.decision.rule,
                folder,
                module,
            )
    outermost = [folder for folder in found if not any(parent in found for parent in folder.parents)]
    return tuple(Folder(host=folder, guest=str(folder)) for folder in sorted(outermost))
