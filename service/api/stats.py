"""GET /stats/{code}: how often a link was clicked, of all time and by day."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator, Field, WithJsonSchema

from service import periods
from service.api.operation import CALLER, Answer, Operation, respond
from service.api.ownership import coded, owned
from service.api.times import Instant
from service.bodies import Query, query
from service.connections import connection
from service.errors import Forbidden, Invalid, NotFound, Refused
from service.periods import Period
from service.problem import FieldProblem
from service.store import stats as store
from service.store.links import link_by_code

Date = Annotated[date, BeforeValidator(periods.day)]


class StatsQuery(Query):
    """Which days to list, and in which time zone."""

    days: Annotated[int, Field(ge=1, le=periods.DAYS_LIMIT)] | None = Field(
        default=None,
        description=f"The latest days with clicks, so many at most; {periods.DAYS} if not given. Not with `from`.",
        examples=[7],
    )
    first: Date | None = Field(
        default=None,
        alias="from",
        description="First day of a range, of which every day is listed. Only with `to`; "
        f"a range may have {periods.SPAN_LIMIT} days.",
        examples=["2026-11-01"],
    )
    last: Date | None = Field(
        default=None, alias="to", description="Last day of the range.", examples=["2026-11-30"]
    )
    timezone: Annotated[
        str,
        BeforeValidator(periods.zone),
        WithJsonSchema({"type": "string", "pattern": f"^{periods.ZONE_PATTERN}$"}),
    ] = Field(
        default="UTC",
        alias="tz",
        description="Time zone of the days: a name of the IANA database.",
        examples=["Europe/Berlin"],
    )


class StatsDay(Answer):
    """A day and its clicks."""

    day: date = Field(description="The day, in the answer's time zone.", examples=["2026-11-24"])
    clicks: int = Field(description="Clicks on that day.", examples=[12])


class Stats(Answer):
    """A link's clicks as of `as_of`: `total` of all time, `sum` of the days in `by_day`."""

    code: str = Field(description="Code of the link.", examples=["launch"])
    total: int = Field(description="Clicks of all time.", examples=[345])
    sum: int = Field(description="Clicks of the days in `by_day`.", examples=[12])
    by_day: list[StatsDay] = Field(
        description="Newest first: each day of the range, or the latest days with clicks."
    )
    timezone: str = Field(description="Time zone of the days.", examples=["UTC"])
    as_of: Instant = Field(
        description="When the clicks were counted.", examples=["2026-11-24T12:00:00Z"]
    )


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
        summary="Count the clicks of a link, in total and by day.",
        query=StatsQuery,
        answers={200: Stats},
        errors=(Forbidden, NotFound),
    ),
)
