from datetime import date, timedelta

import pytest

from service import periods
from service.errors import Refused
from service.periods import Period


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Etc/GMT+5"])
def test_zone_is_known_by_its_name(name: str) -> None:
    """Names of the IANA database are zones."""
    assert name == periods.zone(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe",
        "Europe/Atlantis",
        "../etc/passwd",
        "/etc/passwd",
        "+02:00",
        "UTC+2",
        "a\x00",
        "x" * 300,
        "leapseconds",
        "tzdata.zi",
        "�",
        "Europe/Berlin\n",
        "'; DROP TABLE links",
    ],
)
def test_zone_is_refused(name: str) -> None:
    """Whatever else is none: no path, no offset, no folder, no file that is not a zone."""
    with pytest.raises(Refused) as refused:
        periods.zone(name)
    assert "unknown_time_zone" == refused.value.code


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026-1-1", "20260101", "2026-W01-1", "", "\u0662026-01-01"]
)
def test_day_is_refused(text: str) -> None:
    """A day is written YYYY-MM-DD and stands in the calendar."""
    with pytest.raises(Refused) as refused:
        periods.day(text)
    assert "bad_date" == refused.value.code


def test_period_defaults_to_the_latest_days() -> None:
    """Unasked, the 30 latest days with clicks."""
    assert Period("UTC", days=30) == periods.period("UTC", None, None, None)
    assert Period("UTC", days=7) == periods.period("UTC", 7, None, None)


def test_period_of_a_range_has_all_its_days() -> None:
    """From and to are both included and nothing is cut."""
    day = date(2026, 11, 24)
    assert Period("UTC", day, day, None) == periods.period("UTC", None, day, day)
    last = day + timedelta(periods.SPAN_LIMIT - 1)
    assert Period("UTC", day, last, None) == periods.period("UTC", None, day, last)


@pytest.mark.parametrize(
    "days, first, last",
    [
        (None, date(2026, 1, 1), None),
        (None, None, date(2026, 1, 1)),
        (7, date(2026, 1, 1), date(2026, 1, 2)),
        (None, date(2026, 1, 2), date(2026, 1, 1)),
        (None, date(2020, 1, 1), date(2026, 1, 1)),
        (None, date.min, date.max),
    ],
)
def test_period_is_refused(days: int | None, first: date | None, last: date | None) -> None:
    """Half a range, a range with a count, a range turned round or too long: none is a period."""
    with pytest.raises(Refused) as refused:
        periods.period("UTC", days, first, last)
    assert "bad_period" == refused.value.code
