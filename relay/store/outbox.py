"""The outbox, as the relay reads and empties it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import class_row

from relay.events import PendingEvent
from relay.frontier import HEAD, MARGIN, Place
from service.contract import statements
from service.contract.events import MessageId

_SQL = statements.load("relay")


RECALLED = 5_000
"""Events that are made due in one statement, at most."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One event's failed handling; `attempts` before it, `delay` is the seconds to its next.

    A relay may put an error down to an event that it holds no more. What another one has charged
    meanwhile has other attempts, and is not charged again.
    """

    message_id: MessageId
    attempts: int
    error_class: str
    error_message: str
    delay: float = 0.0

    @property
    def words(self) -> str:
        return f"{self.error_class}: {self.error_message}"


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do, and whether a job for it is queued already."""

    events_due: bool
    move_queued: bool
    links_deleted: bool
    purge_queued: bool
    seen: str

    @property
    def place(self) -> Place:
        """The place before which nothing was due, unless `events_due`."""
        return Place(self.seen, 0)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits. `oldest` is the age of the oldest event, due or not; `next_due` when the first of the
    deferred ones is due, both in seconds; None when there is none.
    """

    due: int
    deferred: int
    oldest: float | None
    next_due: float | None
    dead_letters: int


async def outbox_work(connection: AsyncConnection, since: Place = HEAD) -> Work:
    """Tell what there is to do: a few index probes, whatever the backlog."""
    async with connection.cursor(row_factory=class_row(Work)) as cursor:
        await cursor.execute(
            _SQL["outbox_work"], {"since": since.at, "since_id": since.id, "margin": MARGIN}
        )
        work = await cursor.fetchone()
    if work is None:
        raise AssertionError("a query without FROM returns one row")
    return work


async def outbox_recall(connection: AsyncConnection, waits: Sequence[float]) -> int:
    """Make events due that wait longer than the longest of the `waits`, by attempts; returns how many.

    Reads the deferred events, and nothing else.
    """
    parameters = {"waits": list(waits), "last": len(waits), "limit": RECALLED}
    cursor = await connection.execute(_SQL["outbox_recall"], parameters)
    return cursor.rowcount


async def outbox_backlog(connection: AsyncConnection, waits: Sequence[float]) -> Backlog:
    """Count what waits, for no longer than the longest of the `waits`; reads the whole outbox."""
    async with connection.cursor(row_factory=class_row(Backlog)) as cursor:
        await cursor.execute(_SQL["outbox_backlog"], {"waits": list(waits), "last": len(waits)})
        backlog = await cursor.fetchone()
    if backlog is None:
        raise AssertionError("an aggregate returns one row")
    return backlog


async def outbox_claim_fresh(
    connection: AsyncConnection, limit: int, since: Place = HEAD
) -> list[PendingEvent]:
    """Lock up to `limit` due events that have never failed, oldest first, from a place on.

    Those that another relay holds are passed over.
    """
    parameters = {"limit": limit, "since": since.at, "since_id": since.id}
    return await _claim(connection, _SQL["outbox_claim_fresh"], parameters)


async def outbox_claim_suspects(
    connection: AsyncConnection, limit: int, since: Place = HEAD
) -> list[PendingEvent]:
    """Lock up to `limit` due events that have failed before, likewise."""
    parameters = {"limit": limit, "since": since.at, "since_id": since.id}
    return await _claim(connection, _SQL["outbox_claim_suspects"], parameters)


async def outbox_suspects_due(connection: AsyncConnection) -> bool:
    """Tell whether events that have failed before are due."""
    cursor = await connection.execute(_SQL["outbox_suspects_due"])
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def outbox_set_aside(connection: AsyncConnection, failures: Sequence[Failure]) -> None:
    """Make each event due again after its delay, at no attempt."""
    await connection.execute(_SQL["outbox_set_aside"], _columns(failures))


async def outbox_retry(connection: AsyncConnection, failures: Sequence[Failure]) -> None:
    """Count an attempt for each event whose attempts are as they were; due again after its delay."""
    await connection.execute(_SQL["outbox_retry"], _columns(failures))


async def outbox_bury(connection: AsyncConnection, failures: Sequence[Failure]) -> int:
    """Turn each event whose attempts are as they were into a dead letter; returns how many became one.

    An event whose link is gone leaves without one, and so does one that stands in `clicks`.
    """
    cursor = await connection.execute(_SQL["outbox_bury"], _columns(failures))
    return cursor.rowcount


def _columns(failures: Sequence[Failure]) -> dict[str, list[object]]:
    return {
        "message_ids": [failure.message_id for failure in failures],
        "attempts": [failure.attempts for failure in failures],
        "error_classes": [failure.error_class for failure in failures],
        "error_messages": [failure.error_message for failure in failures],
        "delays": [failure.delay for failure in failures],
    }


async def _claim(
    connection: AsyncConnection, statement: LiteralString, parameters: Mapping[str, object]
) -> list[PendingEvent]:
    async with connection.cursor(row_factory=class_row(PendingEvent)) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()
