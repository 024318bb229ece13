"""Metering: what calls used, and how that is shown."""

from mcpkit.metering.display import FORMATS, live, show
from mcpkit.metering.usage import Usage

__all__ = ["FORMATS", "Usage", "live", "show"]
