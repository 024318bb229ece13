"""HTTP to authorization servers: https (or this very machine), bounded in time and size, no redirects."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcpkit.config.security import is_secure_url
from mcpkit.security.errors import UnavailableError

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 5.0
"""Of one exchange, connecting included."""
MAX_BYTES = 256 << 10


class Fetcher:
    """One authorization server's HTTP client. Loads httpx and the trusted certificates, which takes a while."""

    def __init__(self, ca_file: Path | None = None) -> None:
        self._client = _connect(ca_file)

    async def get(self, url: str) -> dict[str, Any]:
        """A JSON object. Raises UnavailableError."""
        return await self._object("GET", url)

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
        """The JSON object that a form is answered with. Raises UnavailableError."""
        return await self._object("POST", url, data=form, headers=headers)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _object(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        import httpx

        if not is_secure_url(url):
            raise UnavailableError("an address that the authorization server names is neither https nor local")
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._client.stream(method, url, **request) as response:
                body = bytearray()
                if response.status_code == 200:
                    async for piece in response.aiter_raw():
                        body += piece
                        if len(body) > MAX_BYTES:
                            raise UnavailableError(f"{_host(url)} answers more than {MAX_BYTES} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise UnavailableError(f"{_host(url)} cannot be reached: {type(error).__name__}") from None
        if response.status_code != 200:
            raise UnavailableError(f"{_host(url)} answers with status {response.status_code}")
        try:
            value = json.loads(bytes(body))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise UnavailableError(f"{_host(url)} answers something that is no JSON object")
        return value


def _connect(ca_file: Path | None) -> httpx.AsyncClient:
    import httpx

    return httpx.AsyncClient(
        verify=ssl.create_default_context(cafile=str(ca_file)) if ca_file is not None else True,
        follow_redirects=False,
        timeout=TIMEOUT_SECONDS,
        limits=httpx.Limits(max_connections=16, max_keepalive_connections=4, keepalive_expiry=15.0),
        headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "mcpkit"},
        mounts={"http://": httpx.AsyncHTTPTransport()},  # this very machine: never through a proxy
    )


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return f"the authorization server at {urlsplit(url).netloc}"
