"""Accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.accounts import Role, UserId
from service.contract import statements

_SQL = statements.load("service")


@dataclass(frozen=True, slots=True)
class User:
    """An account; `email` is in lower case, a disabled one can do nothing."""

    id: UserId
    email: str
    password_hash: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None


async def user_create(
    connection: AsyncConnection, email: str, password_hash: str, role: Role = "user"
) -> User | None:
    """Make an account. None: another one has the e-mail."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(
            _SQL["user_create"], {"email": email, "password_hash": password_hash, "role": role}
        )
        return await cursor.fetchone()


async def user_by_email(connection: AsyncConnection, email: str) -> User | None:
    """Return the account with this e-mail, disabled or not."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(_SQL["user_by_email"], {"email": email})
        return await cursor.fetchone()


async def users_all(connection: AsyncConnection) -> list[User]:
    """Return every account, oldest first."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(_SQL["users_all"])
        return await cursor.fetchall()


async def user_disable(connection: AsyncConnection, email: str) -> User | None:
    """Shut an account out at once, whatever tokens it has. None: no such account."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(_SQL["user_disable"], {"email": email})
        return await cursor.fetchone()


async def user_rehash(
    connection: AsyncConnection, user_id: UserId, replaced: str, password_hash: str
) -> None:
    """Replace the hash `replaced` of an unchanged password."""
    await connection.execute(
        _SQL["user_rehash"],
        {"id": user_id, "replaced": replaced, "password_hash": password_hash},
    )
