from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from service.contract.events import LinkId
from service.periods import SPAN_LIMIT
from service.store.links import link_create
from tests.service.api.conftest import Person
from tests.service.store.test_stats import clicked

Client = TestClient[Request, Application]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
async def link(db: psycopg.AsyncConnection, ada: Person) -> LinkId:
    """A link of Ada's."""
    link = await link_create(db, "mine", "https://example.com", ada.user.id)
    assert link is not None
    return link.id


async def test_link_without_clicks(client: Client, ada: Person, link: LinkId) -> None:
    """A link nobody clicked has a total of 0 and no days."""
    response = await client.get("/stats/mine", headers=ada.headers)
    answer = await response.json()
    as_of = answer.pop("as_of")
    assert as_of.endswith("Z")
    assert abs(datetime.fromisoformat(as_of) - datetime.now(UTC)) < timedelta(minutes=1)
    expected = {"code": "mine", "total": 0, "sum": 0, "by_day": [], "timezone": "UTC"}
    assert expected == answer


async def test_total_is_of_all_time(
    client: Client, db: psycopg.AsyncConnection, ada: Person, link: LinkId
) -> None:
    """By default the 30 latest days with clicks are named, and the total covers all 40."""
    await clicked(db, link, *(NOON - timedelta(days=2 * n) for n in range(40)))
    answer = await (await client.get("/stats/mine", headers=ada.headers)).json()
    assert (40, 30) == (answer["total"], len(answer["by_day"]))
    assert 30 == answer["sum"]
    expected = [{"day": "2026-11-24", "clicks": 1}, {"day": "2026-11-22", "clicks": 1}]
    assert expected == answer["by_day"][:2]
    answer = await (await client.get("/stats/mine?days=366", headers=ada.headers)).json()
    assert (40, 40) == (answer["total"], len(answer["by_day"]))


async def test_range_includes_both_ends(
    client: Client, db: psycopg.AsyncConnection, ada: Person, link: LinkId
) -> None:
    """From and to are days of the answer."""
    await clicked(db, link, *(NOON - timedelta(days=n) for n in range(5)))
    params = {"from": "2026-11-21", "to": "2026-11-23"}
    answer = await (await client.get("/stats/mine", params=params, headers=ada.headers)).json()
    days = [day["day"] for day in answer["by_day"]]
    assert (5, ["2026-11-23", "2026-11-22", "2026-11-21"]) == (answer["total"], days)


async def test_days_without_clicks_are_zeros_in_a_range(
    client: Client, db: psycopg.AsyncConnection, ada: Person, link: LinkId
) -> None:
    """Every day of a range is in the answer, newest first, and `sum` is of the range alone."""
    await clicked(db, link, NOON, NOON, NOON - timedelta(days=2), NOON - timedelta(days=9))
    params = {"from": "2026-11-21", "to": "2026-11-25"}
    answer = await (await client.get("/stats/mine", params=params, headers=ada.headers)).json()
    days = [(day["day"], day["clicks"]) for day in answer["by_day"]]
    expected = [("2026-11-25", 0), ("2026-11-24", 2), ("2026-11-23", 0), ("2026-11-22", 1)]
    assert [*expected, ("2026-11-21", 0)] == days
    assert (4, 3) == (answer["total"], answer["sum"])


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"])
async def test_a_range_over_clock_changes_has_each_day_once(
    client: Client, db: psycopg.AsyncConnection, ada: Person, link: LinkId, timezone: str
) -> None:
    """Days of 23 and 25 hours are days like others: each of the year is there once, in order."""
    zone = ZoneInfo(timezone)
    noons = [datetime(2026, 3, 29, 12, tzinfo=zone), datetime(2026, 10, 25, 12, tzinfo=zone)]
    await clicked(db, link, *(noon.astimezone(UTC) for noon in noons))
    params = {"from": "2026-01-01", "to": "2026-12-31", "tz": timezone}
    answer = await (await client.get("/stats/mine", params=params, headers=ada.headers)).json()
    last = date(2026, 12, 31)
    each = [str(last - timedelta(days=n)) for n in range(365)]
    assert each == [day["day"] for day in answer["by_day"]]
    clicks = [day["day"] for day in answer["by_day"] if day["clicks"]]
    assert (2, ["2026-10-25", "2026-03-29"]) == (answer["sum"], clicks)


async def test_the_longest_range_is_bounded(client: Client, ada: Person, link: LinkId) -> None:
    """The longest range makes an answer of less than 100 kB; a day more is 422, and says the limit."""
    last = date(2026, 12, 31)
    longest = last - timedelta(days=SPAN_LIMIT - 1)
    params = {"from": str(longest), "to": str(last)}
    response = await client.get("/stats/mine", params=params, headers=ada.headers)
    assert (200, SPAN_LIMIT) == (response.status, len((await response.json())["by_day"]))
    assert len(await response.read()) < 100_000
    params["from"] = str(longest - timedelta(days=1))
    response = await client.get("/stats/mine", params=params, headers=ada.headers)
    (problem,) = (await response.json())["errors"]
    assert (422, "from", "bad_period") == (response.status, problem["pointer"], problem["code"])
    assert all(each in problem["detail"] for each in (str(SPAN_LIMIT), str(SPAN_LIMIT + 1)))


async def test_time_zone_is_named(
    client: Client, db: psycopg.AsyncConnection, ada: Person, link: LinkId
) -> None:
    """The days of an answer are those of the zone that it names."""
    await clicked(db, link, NOON.replace(hour=23))
    params = {"tz": "Europe/Berlin"}
    answer = await (await client.get("/stats/mine", params=params, headers=ada.headers)).json()
    assert ("Europe/Berlin", [{"day": "2026-11-25", "clicks": 1}]) == (
        answer["timezone"],
        answer["by_day"],
    )


@pytest.mark.parametrize(
    "query, pointer, code",
    [
        ("days=0", "days", "bad_value"),
        ("days=-1", "days", "bad_value"),
        ("days=367", "days", "bad_value"),
        ("days=1e9", "days", "bad_value"),
        ("days=" + "9" * 5000, "days", "bad_value"),
        ("days=7&days=8", "days", "repeated"),
        ("from=2026-02-30&to=2026-03-01", "from", "bad_date"),
        ("from=2026-03-01&to=x", "to", "bad_date"),
        ("from=%00&to=2026-03-01", "from", "bad_date"),
        ("from=2026-03-02&to=2026-03-01", "from", "bad_period"),
        ("from=2026-03-02", "from", "bad_period"),
        ("from=2026-03-01&to=2026-03-01&days=3", "from", "bad_period"),
        ("from=0001-01-01&to=9999-12-31", "from", "bad_period"),
        ("tz=Mars/Olympus", "tz", "unknown_time_zone"),
        ("tz=../../etc/passwd", "tz", "unknown_time_zone"),
        ("tz=%00", "tz", "unknown_time_zone"),
        ("tz=%2B05:30", "tz", "unknown_time_zone"),
        ("tz=", "tz", "unknown_time_zone"),
        ("timezone=UTC", "timezone", "unknown"),
    ],
)
async def test_other_queries_are_422(
    client: Client, ada: Person, link: LinkId, query: str, pointer: str, code: str
) -> None:
    """A question that cannot be answered names its parameter."""
    response = await client.get(f"/stats/mine?{query}", headers=ada.headers)
    problem = await response.json()
    assert (422, code) == (response.status, problem["code"])
    assert pointer == problem["errors"][0]["pointer"]


@pytest.mark.parametrize("ends", [("0001-01-01", "0001-01-02"), ("9999-12-30", "9999-12-31")])
async def test_calendar_s_ends(
    client: Client,
    db: psycopg.AsyncConnection,
    ada: Person,
    link: LinkId,
    ends: tuple[str, str],
) -> None:
    """The first and the last day of the calendar are days like others."""
    await clicked(db, link, NOON)
    params = {"from": ends[0], "to": ends[1], "tz": "Asia/Kolkata"}
    response = await client.get("/stats/mine", params=params, headers=ada.headers)
    expected = [{"day": day, "clicks": 0} for day in reversed(ends)]
    assert (200, expected) == (response.status, (await response.json())["by_day"])


async def test_clicks_of_impossible_years_are_in_the_total_only(
    client: Client, db: psycopg.AsyncConnection, ada: Person, link: LinkId
) -> None:
    """An instant outside of the years 1 to 9999 is counted, but no day of an answer."""
    await clicked(db, link, NOON)
    for hour in ("infinity", "-infinity", "0044-03-15 12:00+00 BC", "20000-01-01 00:00+00"):
        await db.execute("INSERT INTO clicks_hourly VALUES (%s, %s, 1)", (link, hour))
    answer = await (await client.get("/stats/mine", headers=ada.headers)).json()
    assert (5, [{"day": "2026-11-24", "clicks": 1}]) == (answer["total"], answer["by_day"])
