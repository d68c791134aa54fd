"""Invites."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.accounts import Role, UserId
from service.contract import statements

_SQL = statements.load("service")

InviteId = NewType("InviteId", int)

NEWEST = InviteId(2**63 - 1)
"""Above every invite: a page below it is the first one."""


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite without its token."""

    id: InviteId
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None


async def invite_create(
    connection: AsyncConnection,
    email: str,
    role: Role,
    secret_hash: bytes,
    created_by: UserId,
    lifetime: timedelta,
) -> Invite:
    """Make an invite, and revoke earlier open ones for the address."""
    async with connection.cursor(row_factory=class_row(Invite)) as cursor:
        await cursor.execute(
            _SQL["invite_create"],
            {
                "email": email,
                "role": role,
                "secret_hash": secret_hash,
                "created_by": created_by,
                "lifetime": lifetime,
            },
        )
        made = await cursor.fetchone()
    assert made is not None  # noqa: S101 - INSERT … RETURNING has one row
    return made


async def invites_page(connection: AsyncConnection, below: InviteId, limit: int) -> list[Invite]:
    """Return invites, newest first, that are older than `below`."""
    async with connection.cursor(row_factory=class_row(Invite)) as cursor:
        await cursor.execute(_SQL["invites_page"], {"below": below, "limit": limit})
        return await cursor.fetchall()


async def invite_revoke(connection: AsyncConnection, invite_id: InviteId) -> Invite | None:
    """Revoke an invite that was not accepted. None: no such invite."""
    async with connection.cursor(row_factory=class_row(Invite)) as cursor:
        await cursor.execute(_SQL["invite_revoke"], {"id": invite_id})
        return await cursor.fetchone()


async def invite_find(connection: AsyncConnection, secret_hash: bytes) -> Invite | None:
    """Return the open invite with this token. None: there is none."""
    async with connection.cursor(row_factory=class_row(Invite)) as cursor:
        await cursor.execute(_SQL["invite_find"], {"secret_hash": secret_hash})
        return await cursor.fetchone()


async def invite_accept(connection: AsyncConnection, secret_hash: bytes) -> Invite | None:
    """Accept an invite. None: it is not open, or was accepted by another request."""
    async with connection.cursor(row_factory=class_row(Invite)) as cursor:
        await cursor.execute(_SQL["invite_accept"], {"secret_hash": secret_hash})
        return await cursor.fetchone()
