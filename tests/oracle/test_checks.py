"""An oracle that finds nothing is worth something only if it would have found it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from service.contract.events import new_message_id
from service.contract.postgres import Database
from tests.oracle import checks
from tests.oracle.checks import Fate
from tests.oracle.exchange import NOTHING, UNSENT, Exchange, Kind, mark
from tests.support.traffic import make_link
from tests.support.waiting import until

CAP = 5


class Ground:
    """Stored events, and what a client saw, each put there by hand."""

    def __init__(self, sql: psycopg.Connection) -> None:
        self.sql = sql
        self.link = make_link(sql, "truth")
        self.exchanges: list[Exchange] = []
        self.seeded: dict[UUID, Fate] = {}

    def seen(self, status: int = 302, kind: Kind = "click") -> int:
        """The client saw this; return the request's number."""
        number = len(self.exchanges)
        self.exchanges.append(Exchange(number, kind, 0.0, status=status))
        return number

    def stored(self, number: int | None, table: str = "clicks", run: str = "r") -> UUID:
        """An event of this request stands in a table; the rollup is right."""
        message_id = new_message_id()
        agent = None if number is None else mark(run, number)
        if table == "dead_letters":
            self.sql.execute(
                "INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts,"
                " error_class, error_message, first_failed_at) VALUES (%(id)s, %(link)s, now(),"
                " jsonb_build_object('message_id', %(id)s, 'link_id', 1, 'occurred_at', 1,"
                " 'referrer', NULL, 'user_agent', %(agent)s::text), 5, 'E', 'e', now())",
                {"id": message_id, "link": self.link, "agent": agent},
            )
            return message_id
        self.sql.execute(
            f"INSERT INTO {table} (message_id, link_id, occurred_at, user_agent)"
            " VALUES (%s, %s, '2026-11-24 10:30+00', %s)".encode(),
            [message_id, self.link, agent],
        )
        if table == "clicks":
            self.sql.execute(
                "INSERT INTO clicks_hourly VALUES (%s, '2026-11-24 10:00+00', 1) ON CONFLICT"
                " (link_id, hour) DO UPDATE SET clicks = clicks_hourly.clicks + 1",
                [self.link],
            )
        return message_id

    def wrong(self) -> list[tuple[str, int]]:
        """What the checks find."""
        checks.load(self.sql, "r", self.exchanges, self.seeded)
        return [(each.what, each.number) for each in checks.every(self.sql, CAP) if each]


@pytest.fixture
def ground(database: Database) -> Iterator[Ground]:
    """A database with a link and no events."""
    with database.connect("everyclick-test") as sql:
        yield Ground(sql)


def test_nothing_is_wrong_where_all_is_well(ground: Ground) -> None:
    """Clicks that were promised are stored once; what was not promised is stored or not."""
    ground.stored(ground.seen())
    ground.stored(ground.seen(503))
    ground.stored(ground.seen(NOTHING))
    ground.seen(503)
    ground.seen(UNSENT)
    ground.seen(404, "unknown")
    ground.seen(302, "head")
    ground.seeded[ground.stored(None)] = "counted"
    ground.seeded[ground.stored(None, "dead_letters")] = "dead"
    assert [] == ground.wrong()


def test_a_lost_click_is_seen(ground: Ground) -> None:
    """A complete 302 whose click stands nowhere, another run's mark notwithstanding."""
    ground.stored(ground.seen())
    ground.seeded[ground.stored(ground.seen(), run="another")] = "counted"
    assert [("lost", 1)] == ground.wrong()


def test_a_lost_seeded_event_is_seen(ground: Ground) -> None:
    """An event that was put into the outbox by hand and stands nowhere."""
    ground.seeded[new_message_id()] = "counted"
    assert [("lost", 1), ("wrong fates", 1)] == ground.wrong()


@pytest.mark.parametrize("other", ["clicks", "dead_letters"])
def test_a_doubled_click_is_seen(ground: Ground, other: str) -> None:
    """One request, two events with ids of their own, in one table or in two."""
    number = ground.seen()
    ground.stored(number)
    message_id = ground.stored(number, other)
    if other == "dead_letters":
        ground.seeded[message_id] = "dead"
    assert [("doubled", 1)] == ground.wrong()


def test_a_doubled_message_id_is_seen(ground: Ground) -> None:
    """One event that stands in outbox and clicks at once."""
    message_id = ground.stored(None)
    ground.seeded[message_id] = "counted"
    ground.sql.execute(
        "INSERT INTO outbox (message_id, link_id) VALUES (%s, %s)", [message_id, ground.link]
    )
    assert [("doubled", 1), ("left in the outbox", 1), ("wrong fates", 1)] == ground.wrong()


@pytest.mark.parametrize(
    "status,kind",
    [(302, "head"), (404, "unknown"), (410, "gone"), (404, "click"), (UNSENT, "click")],
)
def test_a_phantom_is_seen(ground: Ground, status: int, kind: Kind) -> None:
    """An event of a request that was no click, was refused, or was never sent."""
    ground.stored(ground.seen(status, kind))
    assert [("phantoms", 1)] == ground.wrong()


def test_an_event_nobody_asked_for_is_a_phantom(ground: Ground) -> None:
    """An event without a mark, and one whose number was never given out."""
    ground.stored(None)
    ground.stored(77)
    assert [("phantoms", 2)] == ground.wrong()


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE clicks_hourly SET clicks = clicks + 1",
        "DELETE FROM clicks_hourly",
        "INSERT INTO clicks_hourly VALUES (1, '2026-11-24 11:00+00', 1)",
    ],
)
def test_a_wrong_rollup_is_seen(ground: Ground, spoil: str) -> None:
    """A rollup that is too high, missing, or of an hour without clicks."""
    ground.stored(ground.seen())
    ground.sql.execute(spoil.encode())
    assert [("rollup differences", 1)] == ground.wrong()


def test_rollups_that_cancel_out_are_seen(ground: Ground) -> None:
    """Equal totals are not enough: one hour too high, another too low are two differences."""
    ground.stored(ground.seen())
    ground.sql.execute("UPDATE clicks_hourly SET hour = hour + interval '1 hour'")
    assert [("rollup differences", 2)] == ground.wrong()


def test_a_stuck_row_is_seen(ground: Ground) -> None:
    """An event that is still in the outbox."""
    ground.stored(ground.seen(), "outbox")
    assert [("left in the outbox", 1)] == ground.wrong()
    assert checks.wait_drained(ground.sql, 0.1) == 0.1


def test_a_dead_letter_too_many_is_seen(ground: Ground) -> None:
    """A click that should have been counted and was given up."""
    ground.stored(ground.seen(), "dead_letters")
    assert [("wrong fates", 1)] == ground.wrong()


def test_a_dead_letter_too_few_is_seen(ground: Ground) -> None:
    """A poisoned event that was counted all the same, and a good one that was given up."""
    ground.seeded[ground.stored(None)] = "dead"
    ground.seeded[ground.stored(None, "dead_letters")] = "counted"
    # The second is wrong twice over: it is dead, and it is not counted.
    assert [("wrong fates", 3)] == ground.wrong()


@pytest.mark.parametrize(
    "spoil",
    ["attempts = 6", "error_class = ''", "event = event - 'referrer'", "event = '{}'"],
)
def test_a_dead_letter_that_is_not_whole_is_seen(ground: Ground, spoil: str) -> None:
    """One try too many, no reason, a part of the event missing."""
    ground.seeded[ground.stored(None, "dead_letters")] = "dead"
    ground.sql.execute(f"UPDATE dead_letters SET {spoil}".encode())
    assert [("wrong fates", 1)] == ground.wrong()


def test_a_stuck_job_is_seen(ground: Ground) -> None:
    """A job whose relay has been silent for longer than the heartbeat's timeout."""
    ground.sql.execute(
        "INSERT INTO pgqueuer (priority, status, entrypoint, heartbeat)"
        " VALUES (0, 'picked', 'move_clicks', now() - interval '1 minute'),"
        " (0, 'picked', 'move_clicks', now()), (0, 'queued', 'move_clicks', now())"
    )
    assert [("stuck jobs", 1)] == ground.wrong()


@pytest.mark.slow
def test_an_idle_transaction_is_seen(ground: Ground, database: Database) -> None:
    """A session that sits in a transaction for more than five seconds."""
    with psycopg.connect(database.conninfo) as idle:
        idle.execute("SELECT 1")
        assert not checks.idle_transactions(ground.sql)
        until(lambda: checks.idle_transactions(ground.sql).number == 1, "the session shows")


def test_findings_show_examples(ground: Ground) -> None:
    """Some of what is wrong, and how many there are."""
    for _ in range(25):
        ground.seen()
    checks.load(ground.sql, "r", ground.exchanges)
    finding = checks.lost(ground.sql)
    assert (25, 10) == (finding.number, len(finding.examples))
    assert "O1 lost: 25" == str(finding).splitlines()[0]
