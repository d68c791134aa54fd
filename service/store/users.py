"""Accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.accounts import Role, UserId
from service.contract import statements

_SQL = statements.load("service")

NEWEST = UserId(2**63 - 1)
"""Above every account: a page below it is the first one."""


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


async def user_stands(connection: AsyncConnection, user_id: UserId, password_hash: str) -> bool:
    """Whether an account is enabled and has this hash; it keeps both until the transaction ends."""
    cursor = await connection.execute(
        _SQL["user_stands"], {"id": user_id, "password_hash": password_hash}
    )
    return await cursor.fetchone() is not None


async def user_by_id(connection: AsyncConnection, user_id: UserId) -> User | None:
    """Return the account with this number, disabled or not."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(_SQL["user_by_id"], {"id": user_id})
        return await cursor.fetchone()


async def users_page(
    connection: AsyncConnection,
    below: UserId,
    limit: int,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    prefix: str = "",
) -> list[User]:
    """Return accounts, newest first, that are older than `below`; `prefix` begins their e-mails."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(
            _SQL["users_page"],
            {"below": below, "limit": limit, "role": role, "disabled": disabled, "prefix": prefix},
        )
        return await cursor.fetchall()


async def user_update(
    connection: AsyncConnection,
    user_id: UserId,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
) -> User | None:
    """Change what an account may do, or whether it may be used; None stays. None: no such account."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(
            _SQL["user_update"], {"id": user_id, "role": role, "disabled": disabled}
        )
        return await cursor.fetchone()


async def user_set_password(
    connection: AsyncConnection, email: str, password_hash: str
) -> User | None:
    """Give an account another password. None: no such account."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(
            _SQL["user_set_password"], {"email": email, "password_hash": password_hash}
        )
        return await cursor.fetchone()


async def user_rehash(
    connection: AsyncConnection, user_id: UserId, replaced: str, password_hash: str
) -> bool:
    """Replace the hash `replaced`. False: it is not the account's any more."""
    cursor = await connection.execute(
        _SQL["user_rehash"],
        {"id": user_id, "replaced": replaced, "password_hash": password_hash},
    )
    return await cursor.fetchone() is not None


async def admin_exists(connection: AsyncConnection) -> bool:
    """Whether there is an admin, disabled or not."""
    cursor = await connection.execute(_SQL["admin_exists"])
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def admin_is_last(connection: AsyncConnection, user_id: UserId) -> bool:
    """Whether without this account nobody could act as an admin."""
    cursor = await connection.execute(_SQL["admin_is_last"], {"id": user_id})
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def admins_lock(connection: AsyncConnection) -> None:
    """Be alone with the question who is an admin, until the transaction ends."""
    await connection.execute(_SQL["admins_lock"])


async def admins_lock_shared(connection: AsyncConnection) -> None:
    """Keep who is an admin as it is until the transaction ends."""
    await connection.execute(_SQL["admins_lock_shared"])
