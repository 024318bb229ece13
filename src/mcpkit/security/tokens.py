"""Access tokens that are signed JWTs (RFC 9068 and its relatives), verified by PyJWT."""

from __future__ import annotations

import binascii
import json
import time
from base64 import urlsafe_b64decode
from typing import Any

import msgspec

from mcpkit.security import claims as said
from mcpkit.security.errors import BadTokenError
from mcpkit.security.keys import KeySet

_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})


class Verified(msgspec.Struct, frozen=True):
    """What a good token says."""

    issuer: str
    claims: dict[str, Any]
    seconds: float
    """How long it is still good for."""


class Outline(msgspec.Struct, frozen=True):
    """What an unverified JWT says about how to verify it."""

    issuer: str
    algorithm: str
    kid: str | None


def outline(token: str) -> Outline | None:
    """None: not a signed JWT."""
    pieces = token.split(".")
    if len(pieces) != 3:
        return None
    header, payload = _part(pieces[0]), _part(pieces[1])
    if header is None or payload is None or str(header.get("typ", "JWT")).lower() not in _TYPES:
        return None
    algorithm, issuer, kid = header.get("alg"), payload.get("iss"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(issuer, str) or not isinstance(kid, str | None):
        return None
    return Outline(issuer, algorithm, kid)


def _part(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class JwtVerifier:
    """One issuer's tokens."""

    def __init__(
        self,
        issuer: str,
        keys: KeySet,
        *,
        algorithms: tuple[str, ...],
        audiences: tuple[str, ...],
        leeway: float,
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._algorithms = algorithms
        self._audiences = audiences
        self._leeway = leeway

    async def verify(self, token: str, about: Outline) -> Verified:
        """Raises BadTokenError, or UnavailableError where there are no keys to verify with."""
        if about.algorithm not in self._algorithms:
            raise BadTokenError("the token's signature algorithm is not accepted")
        keys = await self._keys.find(about.kid, about.algorithm)
        if not keys:
            raise BadTokenError("the token is signed with a key that its issuer does not publish")
        claims = self._decode(token, keys)
        said.refuse_bound(claims)
        return Verified(self._issuer, claims, float(claims["exp"]) - time.time())

    def _decode(self, token: str, keys: list[Any]) -> dict[str, Any]:
        import jwt
        from jwt import exceptions as fault

        try:
            for key in keys:
                try:
                    return jwt.decode(
                        token,
                        key,
                        algorithms=list(self._algorithms),
                        issuer=self._issuer,
                        audience=self._audiences,
                        leeway=self._leeway,
                        options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
                    )
                except fault.InvalidSignatureError:
                    continue
        except fault.ExpiredSignatureError:
            raise BadTokenError("the token has expired") from None
        except (fault.ImmatureSignatureError, fault.InvalidIssuedAtError):
            raise BadTokenError("the token is not valid yet") from None
        except fault.InvalidAudienceError:
            raise BadTokenError("the token was issued for another resource") from None
        except fault.MissingRequiredClaimError as error:
            raise BadTokenError(f"the token has no claim {error.claim}") from None
        except fault.InvalidKeyError:
            raise BadTokenError("the token is signed with a key that is too weak") from None
        except (fault.PyJWTError, ValueError, TypeError, OverflowError):
            raise BadTokenError("the token is malformed") from None
        raise BadTokenError("the token's signature is wrong")
