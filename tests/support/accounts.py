"""Accounts in a state that a test needs."""

from __future__ import annotations

from psycopg import AsyncConnection

from service.store.users import user_by_email, user_update


async def disable(db: AsyncConnection, email: str) -> None:
    """Disable an account that is there."""
    user = await user_by_email(db, email)
    assert user is not None
    await user_update(db, user.id, disabled=True)
