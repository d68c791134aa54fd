"""A session: begun at sign-up and login, carried by a token, ended by logout or after a week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from psycopg import AsyncConnection

from service.accounts import UserId
from service.store.sessions import session_create
from service.tokens import SessionId, Tokens

LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Session:
    """What its bearer needs to know."""

    token: str
    expires_at: datetime


async def begin(
    connection: AsyncConnection, tokens: Tokens, user_id: UserId, now: datetime
) -> Session:
    """Begin a session of LIFETIME and return its token."""
    session_id = SessionId(uuid4())
    # Tokens count whole seconds; the three ends (token, row, answer) are to be the same one.
    expires_at = now.replace(microsecond=0) + LIFETIME
    await session_create(connection, session_id, user_id, expires_at)
    return Session(tokens.issue(user_id, session_id, now, expires_at), expires_at)
