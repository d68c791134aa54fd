"""The clicks: where events end, and the partitions they end in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NewType

import psycopg
from psycopg import AsyncConnection

from relay.frontier import MARGIN, Place
from relay.store.rollups import ROLLUPS, rollups_share
from service.contract import statements
from service.contract.events import MessageId

_SQL = statements.load("relay")

Month = NewType("Month", str)
"""A month of UTC: 2026-11."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a batch's events: moved, counted before, or their link deleted.

    `left_out`: claimed and left as they were. What else was claimed has failed. `suspects_due`:
    whether events that failed before are due.
    """

    claimed: int = 0
    moved: int = 0
    duplicates: int = 0
    orphans: int = 0
    left_out: int = 0
    suspects_due: bool = False


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of events that were moved each for itself.

    `refused` are those that Postgres refused, and what for. `traits` are hashes of what events may
    have in common with others: what they hold stays in Postgres.
    """

    moved: Moved = Moved()
    refused: Mapping[MessageId, psycopg.Error] = field(default_factory=dict)
    traits: Mapping[MessageId, Sequence[int]] = field(default_factory=dict)


async def clicks_move(
    connection: AsyncConnection,
    since: Place,
    limit: int,
    *,
    fit: bool = False,
    avoided: frozenset[int] = frozenset(),
) -> tuple[Moved, Place]:
    """Turn up to `limit` due events, oldest first, into clicks; add the new ones to the rollup.

    Events that have failed before are left where they are, and, if only those that `fit` are wanted,
    those too that break a CHECK of clicks or have a trait that is `avoided`. One statement: on an
    autocommit connection it is the whole transaction. Returns the place before which nothing fresh
    was left, but for those.
    """
    cursor = await connection.execute(
        _SQL["clicks_move"],
        {
            "since": since.at,
            "since_id": since.id,
            "limit": limit,
            "fit": fit,
            "avoided": list(avoided),
            "margin": MARGIN,
            "rollups": ROLLUPS,
        },
        prepare=True,
    )
    row = await cursor.fetchone()
    if row is None:
        raise AssertionError("the margin is always one row")
    *counts, seen, seen_id = row
    return Moved(*counts), Place(seen, seen_id)


async def clicks_move_each(
    connection: AsyncConnection, message_ids: Sequence[MessageId]
) -> Outcomes:
    """Move events that this transaction has claimed, each for itself.

    Refused ones stand in the outbox as they were.
    """
    if not message_ids:
        return Outcomes()
    # The same lock that a batch takes in its statement, for the same reason.
    await rollups_share(connection)
    cursor = await connection.execute(_SQL["clicks_move_each"], {"message_ids": message_ids})
    outcomes: Counter[str] = Counter()
    refused: dict[MessageId, psycopg.Error] = {}
    traits: dict[MessageId, Sequence[int]] = {}
    for message_id, outcome, code, error, has in await cursor.fetchall():
        outcomes[outcome] += 1
        traits[MessageId(message_id)] = has
        if outcome == "refused":
            refused[MessageId(message_id)] = _error(code, error)
    moved = Moved(
        claimed=len(message_ids),
        moved=outcomes["moved"],
        duplicates=outcomes["duplicate"],
        orphans=outcomes["orphan"],
    )
    return Outcomes(moved, refused, traits)


def _error(code: str, words: str) -> psycopg.Error:
    """Return the error as psycopg would have raised it."""
    try:
        return psycopg.errors.lookup(code)(words)
    except KeyError:  # a code of somebody's own, from a trigger
        return psycopg.DatabaseError(words)


async def clicks_months_missing(connection: AsyncConnection, months_ahead: int) -> list[Month]:
    """Return the months from last month to `months_ahead` that have no partition, oldest first."""
    cursor = await connection.execute(_SQL["clicks_months_missing"], {"months_ahead": months_ahead})
    return [Month(month) for (month,) in await cursor.fetchall()]


async def clicks_month_make(connection: AsyncConnection, month: Month) -> bool:
    """Make a month's partition, strays of the default one with it; false when its name is taken.

    Raises psycopg.errors.LockNotAvailable after a second when somebody reads clicks for so long.
    """
    cursor = await connection.execute(_SQL["clicks_month_make"], {"month": month})
    return await cursor.fetchone() == (True,)
