"""GET /stats/{code}: how often a link was clicked, of all time and by day."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator, Field

from service import periods
from service.api.operation import CALLER, Answer, Operation, respond
from service.api.ownership import coded, owned
from service.api.times import Instant
from service.bodies import Query, query
from service.connections import connection
from service.errors import FieldProblem, Forbidden, Invalid, NotFound, Refused
from service.periods import Period
from service.store import stats as store
from service.store.links import link_by_code

Date = Annotated[date, BeforeValidator(periods.day)]


class StatsQuery(Query):
    """Which days to name, and what a day is."""

    days: Annotated[int, Field(ge=1, le=periods.DAYS_LIMIT)] | None = None
    first: Annotated[Date | None, Field(alias="from")] = None
    last: Annotated[Date | None, Field(alias="to")] = None
    timezone: Annotated[str, BeforeValidator(periods.zone), Field(alias="tz")] = "UTC"


class StatsDay(Answer):
    """A day and its clicks."""

    day: date
    clicks: int


class Stats(Answer):
    """A link's clicks as of `as_of`: `total` of all time, `sum` of the days in `by_day`."""

    code: str
    total: int
    sum: int
    by_day: list[StatsDay]
    timezone: str
    as_of: Instant


async def stats(request: web.Request) -> web.Response:
    """Answer to the link's owner or an admin, from one snapshot: `total` covers `by_day`."""
    code = coded(request)
    period = _period(query(request, StatsQuery))
    async with connection(request) as held:
        link = owned(await link_by_code(held, code), request[CALLER])
        try:
            counted = await store.stats_read(held, link.id, period)
        except Refused as error:
            raise _invalid("tz", error) from error
    return respond(_counted(code, period, counted))


def _period(asked: StatsQuery) -> Period:
    try:
        return periods.period(asked.timezone, asked.days, asked.first, asked.last)
    except Refused as error:
        raise _invalid("from", error) from error


def _invalid(parameter: str, error: Refused) -> Invalid:
    return Invalid([FieldProblem(parameter, str(error), error.code)])


def _counted(code: str, period: Period, counted: store.Stats) -> Stats:
    clicks = {each.day: each.clicks for each in counted.by_day}
    # A range has all its days; the latest days with clicks have clicks.
    days = clicks if period.days is not None else period.each_day()
    return Stats(
        code=code,
        total=counted.total,
        sum=sum(clicks.values()),
        by_day=[StatsDay(day=day, clicks=clicks.get(day, 0)) for day in days],
        timezone=period.timezone,
        as_of=counted.as_of,
    )


OPERATIONS = (
    Operation(
        id="getStats",
        method="GET",
        path="/stats/{code}",
        handler=stats,
        access="stats:read",
        summary="Tell how often a link was clicked, of all time and by day.",
        query=StatsQuery,
        answers={200: Stats},
        errors=(Forbidden, NotFound),
    ),
)
