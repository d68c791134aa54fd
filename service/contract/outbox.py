"""The outbox's writer: one statement looks a link up and records its click."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.contract import statements
from service.contract.events import Click

_SQL = statements.load("service.contract")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a code leads to. `live` is false for an expired or disabled link: no click was written."""

    target: str
    live: bool


async def click_record(connection: AsyncConnection, code: str, click: Click) -> Resolved | None:
    """Look `code` up and, when it is live, put `click` into the outbox: one transaction.

    When this returns on an autocommit connection, the click is durably committed. None: no such
    link. Safe to repeat with the same click, whatever became of an earlier try.
    """
    async with connection.cursor(row_factory=class_row(Resolved)) as cursor:
        await cursor.execute(
            _SQL["click_record"],
            {
                "code": code,
                "message_id": click.message_id,
                "referrer": click.referrer,
                "user_agent": click.user_agent,
            },
        )
        return await cursor.fetchone()


async def link_resolve(connection: AsyncConnection, code: str) -> Resolved | None:
    """Look `code` up and record nothing: for HEAD, which never counts."""
    async with connection.cursor(row_factory=class_row(Resolved)) as cursor:
        await cursor.execute(_SQL["link_resolve"], {"code": code})
        return await cursor.fetchone()
