"""The dead letters: what failed past the cap, and the two ways out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.contract import statements
from service.contract.events import LinkId, MessageId

_SQL = statements.load("relay")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant: those that match every criterion given; none given, all."""

    message_ids: list[MessageId] | None = None
    error_class: str | None = None
    code: str | None = None

    def parameters(self) -> dict[str, object]:
        return {
            "message_ids": self.message_ids,
            "error_class": self.error_class,
            "code": self.code,
        }


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as it stands; `event` is the whole event as JSON text, `code` None when the
    link is gone.
    """

    message_id: MessageId
    link_id: LinkId
    code: str | None
    occurred_at: str
    event: str
    attempts: int
    error_class: str
    error_message: str
    first_failed_at: datetime
    dead_at: datetime


async def dead_letters_list(
    connection: AsyncConnection, choice: Choice, limit: int
) -> list[DeadLetter]:
    """Return the chosen dead letters, latest first, at most `limit`."""
    async with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(_SQL["dead_letters_list"], {**choice.parameters(), "limit": limit})
        return await cursor.fetchall()


async def dead_letters_count(connection: AsyncConnection, choice: Choice) -> int:
    """Count the chosen dead letters."""
    cursor = await connection.execute(_SQL["dead_letters_count"], choice.parameters())
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def dead_letters_replay(connection: AsyncConnection, choice: Choice) -> int:
    """Put the chosen events back into the outbox, message_id kept, no attempts; returns how many.

    Twice changes nothing: the second time there is nothing left to put back.
    """
    cursor = await connection.execute(_SQL["dead_letters_replay"], choice.parameters())
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def dead_letters_discard(connection: AsyncConnection, choice: Choice) -> int:
    """Delete the chosen dead letters for good; returns how many."""
    cursor = await connection.execute(_SQL["dead_letters_discard"], choice.parameters())
    return cursor.rowcount
