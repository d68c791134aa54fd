"""What is known about a link's clicks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.contract import statements
from service.contract.events import LinkId
from service.errors import Refused
from service.periods import Period

_SQL = statements.load("service")


@dataclass(frozen=True, slots=True)
class Day:
    """One local day and its clicks, at least one."""

    day: date
    clicks: int


@dataclass(frozen=True, slots=True)
class Stats:
    """A link's clicks as they stood at `as_of`: of all time, and of a period by day."""

    as_of: datetime
    total: int
    by_day: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    as_of: datetime
    total: int
    days: list[date]
    clicks: list[int]


async def stats_read(connection: AsyncConnection, link_id: LinkId, period: Period) -> Stats:
    """Return the link's clicks, days newest first, without those that have none.

    Raises Refused when Postgres does not know the time zone.
    """
    async with connection.cursor(row_factory=class_row(_Row)) as cursor:
        try:
            await cursor.execute(
                _SQL["stats_read"],
                {
                    "link_id": link_id,
                    "timezone": period.timezone,
                    "first": period.first,
                    "last": period.last,
                    "days": period.days,
                },
            )
        except psycopg.errors.InvalidParameterValue as error:
            raise Refused(
                "unknown_time_zone", "The database does not know this time zone."
            ) from error
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    days = map(Day, row.days, row.clicks)
    return Stats(row.as_of, row.total, tuple(days))
