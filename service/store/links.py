"""Links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row
from pydantic_core import to_json

from service.accounts import UserId
from service.contract import statements
from service.contract.events import LinkId, RedirectCode

_SQL = statements.load("service")

NEWEST = LinkId(2**63 - 1)
"""Page from here to begin with the newest link."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link; `owner` is the e-mail of `owner_id`, both None when nobody has it."""

    id: LinkId
    code: str
    target: str
    owner_id: UserId | None
    owner: str | None
    title: str | None
    created_at: datetime
    expires_at: datetime | None
    disabled_at: datetime | None
    redirect_code: RedirectCode
    version: int


@dataclass(frozen=True, slots=True)
class NewRow:
    """A link to be made with others."""

    code: str
    target: str
    title: str | None
    expires_at: datetime | None
    redirect_code: RedirectCode


async def link_create(
    connection: AsyncConnection,
    code: str,
    target: str,
    owner_id: UserId | None,
    title: str | None = None,
    expires_at: datetime | None = None,
    redirect_code: RedirectCode = 302,
) -> Link | None:
    """Make a link. None: another one has the code."""
    async with connection.cursor(row_factory=class_row(Link)) as cursor:
        await cursor.execute(
            _SQL["link_create"],
            {
                "code": code,
                "target": target,
                "owner_id": owner_id,
                "title": title,
                "expires_at": expires_at,
                "redirect_code": redirect_code,
            },
        )
        return await cursor.fetchone()


async def links_create(
    connection: AsyncConnection, owner_id: UserId, rows: Sequence[NewRow]
) -> list[Link]:
    """Make many links, in any order. Those that are not in the answer have another's code."""
    document = to_json(list(rows)).decode()
    async with connection.cursor(row_factory=class_row(Link)) as cursor:
        await cursor.execute(_SQL["links_create"], {"owner_id": owner_id, "links": document})
        return await cursor.fetchall()


async def link_by_code(connection: AsyncConnection, code: str) -> Link | None:
    """Return the link with this code, live or not."""
    async with connection.cursor(row_factory=class_row(Link)) as cursor:
        await cursor.execute(_SQL["link_by_code"], {"code": code})
        return await cursor.fetchone()


async def link_lock(connection: AsyncConnection, code: str) -> Link | None:
    """Return the link and keep it from other writers until the transaction ends."""
    async with connection.cursor(row_factory=class_row(Link)) as cursor:
        await cursor.execute(_SQL["link_lock"], {"code": code})
        return await cursor.fetchone()


async def links_of_owner(
    connection: AsyncConnection, owner_id: UserId, below: LinkId, limit: int
) -> list[Link]:
    """Return at most `limit` of an account's links with ids below `below`, newest first."""
    async with connection.cursor(row_factory=class_row(Link)) as cursor:
        await cursor.execute(
            _SQL["links_of_owner"], {"owner_id": owner_id, "below": below, "limit": limit}
        )
        return await cursor.fetchall()


async def links_all(connection: AsyncConnection, below: LinkId, limit: int) -> list[Link]:
    """Return at most `limit` links with ids below `below`, newest first, whoever has them."""
    async with connection.cursor(row_factory=class_row(Link)) as cursor:
        await cursor.execute(_SQL["links_all"], {"below": below, "limit": limit})
        return await cursor.fetchall()


async def link_update(connection: AsyncConnection, link: Link) -> Link:
    """Write what may change of a link and return it as its next version.

    That is owner_id, target, title, expires_at, disabled_at and redirect_code.
    """
    cursor = await connection.execute(
        _SQL["link_update"],
        {
            "id": link.id,
            "owner_id": link.owner_id,
            "target": link.target,
            "title": link.title,
            "expires_at": link.expires_at,
            "disabled_at": link.disabled_at,
            "redirect_code": link.redirect_code,
        },
    )
    row = await cursor.fetchone()
    return link if row is None else replace(link, version=row[0])


async def link_delete(connection: AsyncConnection, link_id: LinkId) -> bool:
    """Remove a link and leave word for the relay, in one transaction. False: it was gone."""
    cursor = await connection.execute(_SQL["link_delete"], {"id": link_id})
    return await cursor.fetchone() is not None
