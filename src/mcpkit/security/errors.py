"""Errors of the security room. No message of theirs holds any part of a credential."""

from __future__ import annotations

import json


class SecurityError(Exception):
    """Root of this room's errors."""


class BadTokenError(SecurityError):
    """A token that is not good here; the message says why, in words for the client."""


class UnavailableError(SecurityError):
    """Whoever could judge a token cannot be reached."""


class Denied(SecurityError):  # noqa: N818 -- the outcome of a check, which callers turn into an answer
    """A request that is refused, and the HTTP answer that says so."""

    def __init__(self, status: int, www_authenticate: str | None, message: str, error: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        """401, 403, or 503 where it cannot be decided now."""
        self.www_authenticate = www_authenticate
        """Value of that header: how to be let in."""
        self.message = message
        self.error = error
        """Of RFC 6750: invalid_token, insufficient_scope; None where no credential came."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """HTTP headers of the answer, beside its content type."""
        fields = [("cache-control", "no-store")]
        if self.www_authenticate is not None:
            fields.append(("www-authenticate", self.www_authenticate))
        if self.status == 503:
            fields.append(("retry-after", "5"))
        return fields

    @property
    def body(self) -> bytes:
        """JSON text of the answer."""
        error = self.error or ("temporarily_unavailable" if self.status == 503 else "unauthorized")
        return json.dumps({"error": error, "error_description": self.message}).encode()
