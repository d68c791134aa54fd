"""The token: a signed note that names a user and a session, and nothing that may change.

Whether the session still stands, and what the user may do, is the database's to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NewType
from uuid import UUID

import jwt

from service.accounts import UserId
from service.errors import Unauthenticated

SessionId = NewType("SessionId", UUID)

LEEWAY = 30
"""Seconds two machines' clocks may differ."""

LIMIT = 4096
"""Characters of a token that are looked at; ours have about 350."""

_ALGORITHM = "HS256"
_PARTY = "everyclick"
# Explicit typing (RFC 8725, 3.11): a JWT signed with the same key for another end is no token.
_TYPE = "everyclick+jwt"
_BIGINT = 2**63


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token that holds says."""

    user_id: UserId
    session_id: SessionId
    expires_at: datetime


class Tokens:
    """Signs and reads tokens with one key of at least 32 bytes (RFC 7518, 3.2)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(
        self, user_id: UserId, session_id: SessionId, now: datetime, expires_at: datetime
    ) -> str:
        """Return a token that holds until `expires_at`, cut to whole seconds."""
        claims = {
            "iss": _PARTY,
            "aud": _PARTY,
            "sub": str(user_id),
            "jti": str(session_id),
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"typ": _TYPE})

    def read(self, token: str) -> Claims:
        """Return what the token says. Raises Unauthenticated, whatever is wrong with it."""
        if len(token) > LIMIT:
            raise Unauthenticated
        try:
            decoded = jwt.decode_complete(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=_PARTY,
                issuer=_PARTY,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "sub", "iss", "aud", "jti"]},
            )
            if decoded["header"].get("typ") != _TYPE:
                raise Unauthenticated
            payload = decoded["payload"]
            return Claims(
                _user_id(payload["sub"]),
                SessionId(UUID(payload["jti"])),
                datetime.fromtimestamp(payload["exp"], UTC),
            )
        except Unauthenticated:
            raise
        # Besides its own errors PyJWT lets through what its input provokes in the standard library
        # (UnicodeEncodeError, OverflowError, RecursionError, TypeError…): all of it is one answer.
        except Exception as error:
            raise Unauthenticated from error


def _user_id(text: str) -> UserId:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number < _BIGINT:
        raise Unauthenticated
    return UserId(number)
