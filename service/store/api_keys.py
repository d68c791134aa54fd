"""API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row, kwargs_row

from service.accounts import UserId
from service.contract import statements
from service.keys import ACTIVE_LIMIT, KeyId, Scope
from service.store.users import User

_SQL = statements.load("service")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret, which nobody has but who was given it."""

    id: KeyId
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Used:
    """A key that holds: whom it stands for, and what for."""

    key_id: KeyId
    scopes: frozenset[Scope]
    user: User


async def api_keys_lock(connection: AsyncConnection, user_id: UserId) -> None:
    """Keep others from making keys for this account until the transaction ends."""
    await connection.execute(_SQL["api_keys_lock"], {"user_id": user_id})


async def api_key_create(
    connection: AsyncConnection,
    user_id: UserId,
    name: str,
    secret_hash: bytes,
    scopes: list[Scope],
    expires_at: datetime | None,
) -> ApiKey | None:
    """Make a key; call api_keys_lock before. None: there are ACTIVE_LIMIT keys already."""
    async with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(
            _SQL["api_key_create"],
            {
                "user_id": user_id,
                "name": name,
                "secret_hash": secret_hash,
                "scopes": list(scopes),
                "expires_at": expires_at,
                "limit": ACTIVE_LIMIT,
            },
        )
        return await cursor.fetchone()


async def api_keys_of_user(connection: AsyncConnection, user_id: UserId) -> list[ApiKey]:
    """Return an account's keys, newest first: all that hold, and the latest that are over."""
    async with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(_SQL["api_keys_of_user"], {"user_id": user_id})
        return await cursor.fetchall()


async def api_key_revoke(
    connection: AsyncConnection, user_id: UserId, key_id: KeyId
) -> ApiKey | None:
    """End a key at once; a second time changes nothing. None: the account has no such key."""
    async with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(_SQL["api_key_revoke"], {"id": key_id, "user_id": user_id})
        return await cursor.fetchone()


async def api_key_use(connection: AsyncConnection, secret_hash: bytes) -> Used | None:
    """Return whom a key stands for. None: unknown, revoked or expired, or the user is disabled."""
    async with connection.cursor(row_factory=kwargs_row(_used)) as cursor:
        await cursor.execute(_SQL["api_key_use"], {"secret_hash": secret_hash})
        return await cursor.fetchone()


def _used(key_id: KeyId, scopes: list[Scope], **user: Any) -> Used:
    return Used(key_id, frozenset(scopes), User(**user))
