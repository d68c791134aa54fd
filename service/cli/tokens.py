"""token: a bearer token for programs, without a password."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import uuid4

import typer
from psycopg import AsyncConnection

from service.cli.session import with_key
from service.cli.users import Email
from service.contract.process import FAILED, OK, say
from service.store.sessions import session_create
from service.store.users import user_by_email
from service.tokens import SessionId, Tokens


def token(
    email: Email,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it expires.")] = 7,
) -> int:
    """Print a bearer token for an account."""
    session_id = SessionId(uuid4())
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=days)

    async def work(connection: AsyncConnection, key: bytes) -> str | None:
        user = await user_by_email(connection, email.lower())
        if user is None or user.disabled_at is not None:
            return None
        await session_create(connection, session_id, user.id, expires_at)
        return Tokens(key).issue(user.id, session_id, now, expires_at)

    made = with_key(work)
    if made is None:
        say(f"There is no active account {email}.")
        return FAILED
    print(made)
    return OK
