"""The days a question about statistics is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from service.errors import Refused

DAYS = 30
"""Latest days with clicks, unless asked otherwise."""

DAYS_LIMIT = 366
SPAN_LIMIT = 5 * 366
"""Days that one answer may name: a year of latest days, five years of a range."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ZONE_PATTERN = "[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}"

_ZONE = re.compile(ZONE_PATTERN)


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included, in `timezone`.

    Of those the `days` latest that have clicks; None for all.
    """

    timezone: str
    first: date = date.min
    last: date = date.max
    days: int | None = DAYS

    def each_day(self) -> Iterator[date]:
        """Yield every day of the period, newest first."""
        return (self.last - timedelta(days=n) for n in range((self.last - self.first).days + 1))


def day(text: str) -> date:
    """Return the day. Raises Refused: bad_date."""
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Refused("bad_date", "Write a day of the calendar such as 2030-01-31.")


def zone(text: str) -> str:
    """Return the name of a time zone in the IANA database. Raises Refused: unknown_time_zone."""
    if text == "UTC":
        return text  # known even where no time zone database is installed
    try:
        if _ZONE.fullmatch(text):
            return ZoneInfo(text).key
    except (KeyError, ValueError, OSError):  # no such file, not a zone's file, a folder
        pass
    raise Refused("unknown_time_zone", "Write a name such as Europe/Berlin, or UTC.")


def period(timezone: str, days: int | None, first: date | None, last: date | None) -> Period:
    """Return the period that was asked for. Raises Refused: bad_period."""
    if first is None and last is None:
        return Period(timezone, days=days or DAYS)
    if first is None or last is None:
        raise Refused("bad_period", "Only one of from and to was given. Give both or neither.")
    if days is not None:
        raise Refused("bad_period", "days was given with from and to. Give one or the other.")
    if first > last:
        raise Refused("bad_period", f"from ({first}) is later than to ({last}). Exchange them.")
    span = (last - first).days + 1
    if span > SPAN_LIMIT:
        said = f"{first} to {last} are {span} days. Ask for at most {SPAN_LIMIT} at once."
        raise Refused("bad_period", said)
    return Period(timezone, first, last, days=None)
