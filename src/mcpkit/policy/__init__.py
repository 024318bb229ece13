"""Policies: what tools may be used and what they may reach."""

from mcpkit.policy.grants import Access, Folder, Grants, PathRule

__all__ = ["Access", "Folder", "Grants", "PathRule"]
