"""GET /stats/{code}: how often a link was clicked, of all time and by day."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator, Field

from service import periods
from service.api.ownership import coded, owned
from service.api.times import written
from service.bodies import Query, query
from service.connections import connection
from service.errors import Invalid, Problem, Refused
from service.identity import identify
from service.periods import Period
from service.store.links import link_by_code
from service.store.stats import Stats, stats_read

Day = Annotated[date, BeforeValidator(periods.day)]


class Asked(Query):
    """Which days to name, and what a day is."""

    days: Annotated[int, Field(ge=1, le=periods.DAYS_LIMIT)] | None = None
    first: Annotated[Day | None, Field(alias="from")] = None
    last: Annotated[Day | None, Field(alias="to")] = None
    timezone: Annotated[str, BeforeValidator(periods.zone), Field(alias="tz")] = "UTC"


async def stats(request: web.Request) -> web.Response:
    """Answer to the link's owner or an admin, from one snapshot: `total` covers `by_day`."""
    code = coded(request)
    user = await identify(request)
    period = _period(query(request, Asked))
    async with connection(request) as held:
        link = owned(await link_by_code(held, code), user)
        try:
            counted = await stats_read(held, link.id, period)
        except Refused as error:
            raise _invalid("tz", error) from error
    return web.json_response(_payload(code, period, counted))


def _period(asked: Asked) -> Period:
    try:
        return periods.period(asked.timezone, asked.days, asked.first, asked.last)
    except Refused as error:
        raise _invalid("from", error) from error


def _invalid(parameter: str, error: Refused) -> Invalid:
    return Invalid([Problem(parameter, str(error), error.code)])


def _payload(code: str, period: Period, counted: Stats) -> dict[str, object]:
    return {
        "code": code,
        "total": counted.total,
        "by_day": [
            {"day": counted_day.day.isoformat(), "clicks": counted_day.clicks}
            for counted_day in counted.by_day
        ],
        "timezone": period.timezone,
        "as_of": written(counted.as_of),
    }
