"""Who calls: OAuth 2.1 tokens, API keys and client certificates, and what each caller may do.

Libraries for tokens and HTTP are loaded where OAuth is configured, and then at once.
"""

from mcpkit.security.errors import Denied, SecurityError
from mcpkit.security.gate import Granted, Security, refusal
from mcpkit.security.principals import Principal

__all__ = ["Denied", "Granted", "Principal", "Security", "SecurityError", "refusal"]
