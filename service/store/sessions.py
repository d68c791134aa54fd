"""Sessions: what makes a token end before its time."""

from __future__ import annotations

from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.accounts import UserId
from service.contract import statements
from service.store.users import User
from service.tokens import SessionId

_SQL = statements.load("service")


async def session_create(
    connection: AsyncConnection, session_id: SessionId, user_id: UserId, expires_at: datetime
) -> None:
    """Begin a session."""
    await connection.execute(
        _SQL["session_create"], {"id": session_id, "user_id": user_id, "expires_at": expires_at}
    )


async def session_user(
    connection: AsyncConnection, session_id: SessionId, user_id: UserId
) -> User | None:
    """Return whom a session stands for. None: it has ended or expired, or the user is disabled."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(_SQL["session_user"], {"id": session_id, "user_id": user_id})
        return await cursor.fetchone()


async def session_end(connection: AsyncConnection, session_id: SessionId) -> None:
    """End a session; a second time changes nothing."""
    await connection.execute(_SQL["session_end"], {"id": session_id})


async def sessions_end(connection: AsyncConnection, user_id: UserId) -> None:
    """End every session of an account."""
    await connection.execute(_SQL["sessions_end"], {"user_id": user_id})
