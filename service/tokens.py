"""The token: a signed note that names a user and a session, and nothing that may change.

Whether the session still stands, and what the user may do, is the database's to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, NewType
from uuid import UUID

import jwt

from service.accounts import UserId
from service.errors import Unauthenticated

SessionId = NewType("SessionId", UUID)

LEEWAY = 30
"""Seconds two machines' clocks may differ."""

LIMIT = 4096
"""Characters of a token that are looked at; ours have about 370."""

LONGEST = timedelta(days=366)
"""No token holds for longer, whoever signed it and whatever it says."""

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
    """Signs tokens with one key and reads those of any; keys have 32 bytes or more (RFC 7518, 3.2).

    A token names its key (`kid`), and no other is tried. Of a key that is gone no token holds.
    """

    def __init__(self, key: bytes, *old: bytes) -> None:
        self._key = key
        self._kid: Final = kid(key)
        self._keys: Final = {kid(each): each for each in (key, *old)}

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
        header = {"typ": _TYPE, "kid": self._kid}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers=header)

    def read(self, token: str) -> Claims:
        """Return what the token says. Raises Unauthenticated, whatever is wrong with it."""
        if len(token) > LIMIT:
            raise Unauthenticated
        try:
            return self._read(token)
        except Unauthenticated:
            raise
        # Besides its own errors PyJWT lets through what its input provokes in the standard library
        # (UnicodeEncodeError, OverflowError, RecursionError, TypeError…): all of it is one answer.
        except Exception as error:
            raise Unauthenticated from error

    def _read(self, token: str) -> Claims:
        header = jwt.get_unverified_header(token)
        key = self._keys.get(header["kid"])
        # We alone sign tokens, so the whole header is known beforehand: there is no other algorithm
        # to fall for, no `crit` to understand, and no `jku`, `x5u` or `jwk` to take a key from.
        if key is None or header != {"alg": _ALGORITHM, "typ": _TYPE, "kid": header["kid"]}:
            raise Unauthenticated
        payload = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=_PARTY,
            issuer=_PARTY,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "sub", "iss", "aud", "jti"]},
        )
        issued, expires = _seconds(payload["iat"]), _seconds(payload["exp"])
        if expires - issued > LONGEST.total_seconds():
            raise Unauthenticated
        return Claims(
            _user_id(payload["sub"]),
            SessionId(UUID(payload["jti"])),
            datetime.fromtimestamp(expires, UTC),
        )


def kid(key: bytes) -> str:
    """Return the name of a key. It tells no more of the key than any token signed with it does."""
    return sha256(b"everyclick key\0" + key).hexdigest()[:16]


def _seconds(value: object) -> int:
    if type(value) is not int:  # PyJWT takes "1", 1.5 and true for numbers
        raise Unauthenticated
    return value


def _user_id(text: str) -> UserId:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number < _BIGINT:
        raise Unauthenticated
    return UserId(number)
