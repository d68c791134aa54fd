from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg

from service.accounts import UserId
from service.store.sessions import session_create, session_end, session_user
from service.store.users import user_create
from service.tokens import SessionId


async def test_session_stands_for_its_user(db: psycopg.AsyncConnection) -> None:
    """A session stands for the user it was begun for, and only until it is ended."""
    user = await user_create(db, "ada@example.com", "!")
    assert user is not None
    session = SessionId(uuid4())
    await session_create(db, session, user.id, datetime.now(UTC) + timedelta(days=1))
    assert user == await session_user(db, session, user.id)
    assert await session_user(db, session, UserId(user.id + 1)) is None
    assert await session_user(db, SessionId(uuid4()), user.id) is None
    await session_end(db, session)
    await session_end(db, session)
    assert await session_user(db, session, user.id) is None
