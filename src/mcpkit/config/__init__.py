"""Configuration: a strict, typed schema, read from YAML or JSON with the position of every fault."""

from mcpkit.config.errors import ConfigError, Problem, UnitError
from mcpkit.config.limits import DEFAULT_MEMORY, Limits, effective_limits, under_policy
from mcpkit.config.load import load, loads
from mcpkit.config.policy import Policy
from mcpkit.config.policy_file import load_policy, loads_policy
from mcpkit.config.schema import Config, Module, ToolConfig
from mcpkit.config.tasks import Tasks

__all__ = [
    "DEFAULT_MEMORY",
    "Config",
    "ConfigError",
    "Limits",
    "Module",
    "Policy",
    "Problem",
    "Tasks",
    "ToolConfig",
    "UnitError",
    "effective_limits",
    "load",
    "load_policy",
    "loads",
    "loads_policy",
    "under_policy",
]
