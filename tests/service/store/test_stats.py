from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import psycopg
import pytest

from service.contract import statements
from service.contract.events import LinkId, new_message_id
from service.errors import Refused
from service.periods import Period
from service.store.stats import Day, stats_read
from tests.support.plans import scanned

LINK = LinkId(1)


async def clicked(db: psycopg.AsyncConnection, link: LinkId, *instants: datetime) -> None:
    """Put clicks where the relay would, rollup included."""
    async with db.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO clicks (message_id, link_id, occurred_at) VALUES (%s, %s, %s)",
            [(new_message_id(), link, instant) for instant in instants],
        )
        await cursor.executemany(
            "INSERT INTO clicks_hourly VALUES (%s, date_trunc('hour', %s::timestamptz, 'UTC'), 1)"
            " ON CONFLICT (link_id, hour) DO UPDATE SET clicks = clicks_hourly.clicks + 1",
            [(link, instant) for instant in instants],
        )


async def test_hours_are_summed_by_day(db: psycopg.AsyncConnection) -> None:
    """Days come newest first, without those that have no clicks, and other links' clicks."""
    day = datetime(2026, 11, 24, tzinfo=UTC)
    await clicked(db, LINK, day, day.replace(hour=23, minute=59), day - timedelta(days=2))
    await clicked(db, LinkId(2), day)
    stats = await stats_read(db, LINK, Period("UTC"))
    assert 3 == stats.total
    assert (Day(date(2026, 11, 24), 2), Day(date(2026, 11, 22), 1)) == stats.by_day


@pytest.mark.parametrize(
    "timezone, midnight",
    [
        # The nights around the days on which clocks are set, one hour short and one hour long.
        ("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 25, 23, tzinfo=UTC)),
        ("America/Santiago", datetime(2026, 9, 6, 4, tzinfo=UTC)),
        ("Asia/Kolkata", datetime(2026, 1, 1, 18, 30, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 1, 1, 18, 15, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 1, 1, 13, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 6, 1, 13, 30, tzinfo=UTC)),
        ("America/St_Johns", datetime(2026, 1, 1, 3, 30, tzinfo=UTC)),
        ("Pacific/Kiritimati", datetime(2026, 1, 1, 10, tzinfo=UTC)),
    ],
)
async def test_days_begin_at_local_midnight(
    db: psycopg.AsyncConnection, timezone: str, midnight: datetime
) -> None:
    """The last microsecond before a local midnight is the day before's, midnight the day's own."""
    before = midnight - timedelta(microseconds=1)
    await clicked(db, LINK, before, midnight, midnight)
    zone = ZoneInfo(timezone)
    expected = (Day(midnight.astimezone(zone).date(), 2), Day(before.astimezone(zone).date(), 1))
    assert expected == (await stats_read(db, LINK, Period(timezone))).by_day


@pytest.mark.parametrize(
    "timezone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
@pytest.mark.parametrize("days", [1, 2, 3, 30])
async def test_days_equal_a_count_of_clicks(
    db: psycopg.AsyncConnection, timezone: str, days: int
) -> None:
    """Whatever the zone, the answer equals counting every click by its local day."""
    random = Random(days)
    start = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    # Many of them within the hour that a fractional midnight splits.
    instants = [
        datetime.fromtimestamp(start + random.randrange(60) * 86400 + offset, UTC)
        for offset in [
            *random.choices(range(86400), k=60),
            *random.choices(range(64800, 68400), k=60),
        ]
    ]
    await clicked(db, LINK, *instants)
    counts: dict[date, int] = {}
    for instant in instants:
        day = instant.astimezone(ZoneInfo(timezone)).date()
        counts[day] = counts.get(day, 0) + 1
    expected = [Day(day, counts[day]) for day in sorted(counts, reverse=True)]
    stats = await stats_read(db, LINK, Period(timezone, days=days))
    assert (len(instants), expected[:days]) == (stats.total, list(stats.by_day))
    first, last = expected[20].day, expected[5].day
    stats = await stats_read(db, LINK, Period(timezone, first, last, None))
    assert expected[5:21] == list(stats.by_day)


async def test_neighbouring_days_with_shared_clicks(db: psycopg.AsyncConnection) -> None:
    """Clicks only in the hours that midnight splits: the latest days are still all found."""
    nights = [datetime(2026, 1, n, 18, 45, tzinfo=UTC) for n in (1, 3, 5, 7)]
    await clicked(db, LINK, *nights, *(night + timedelta(hours=3) for night in nights))
    stats = await stats_read(db, LINK, Period("Asia/Kolkata", days=3))
    assert tuple(Day(date(2026, 1, n), 2) for n in (8, 6, 4)) == stats.by_day


async def test_unknown_zone_is_refused(db: psycopg.AsyncConnection) -> None:
    """A zone Postgres does not know is the asker's mistake."""
    await clicked(db, LINK, datetime(2026, 11, 24, tzinfo=UTC))
    with pytest.raises(Refused):
        await stats_read(db, LINK, Period("Mars/Olympus"))


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
async def test_three_years_of_hours_are_read_by_their_key(
    db: psycopg.AsyncConnection, timezone: str
) -> None:
    """26,000 hourly rows are read by their key; clicks, if at all, by their index."""
    await db.execute(
        "INSERT INTO clicks_hourly SELECT link, hour, 4 FROM generate_series(1, 30) AS link,"
        " generate_series('2023-12-01 00:00+00'::timestamptz, '2026-11-24', '1 hour') AS hour"
        " WHERE link = 1 OR hour > '2026-06-01'"
    )
    await db.execute(
        "INSERT INTO clicks (message_id, link_id, occurred_at)"
        " SELECT gen_random_uuid(), 1, hour + n * interval '14 minutes'"
        " FROM clicks_hourly, generate_series(0, 3) AS n WHERE link_id = 1"
    )
    await db.execute("ANALYZE clicks_hourly, clicks")
    for _ in range(12):  # past the tenth psycopg and Postgres have settled on a generic plan
        stats = await stats_read(db, LINK, Period(timezone))
        assert (104_548, 30) == (stats.total, len(stats.by_day))
        assert {96} == {day.clicks for day in stats.by_day[1:]}
    parameters = {
        "link_id": LINK,
        "timezone": timezone,
        "first": date.min,
        "last": date.max,
        "days": 30,
    }
    assert set() == await scanned(db, statements.load("service")["stats_read"], parameters)
