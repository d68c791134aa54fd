"""Kill -9 of a replay: each event once, everything on record, and the same order does the rest."""

from __future__ import annotations

import psycopg
import pytest

from service.contract.events import new_message_id
from service.contract.postgres import Database
from tests.support.ledger import held
from tests.support.processes import Processes
from tests.support.traffic import count, drained, make_link, value
from tests.support.waiting import until

pytestmark = pytest.mark.process

LETTERS = 8_000

REPLAY = ("relay", "dead-letters", "replay", "--all")


@pytest.fixture
def letters(sql: psycopg.Connection) -> list[str]:
    """Letters of two links, oldest first."""
    links = [make_link(sql, f"letters-{number}") for number in range(2)]
    made = [str(new_message_id()) for _ in range(LETTERS)]
    with sql.cursor().copy(
        "COPY dead_letters (message_id, link_id, occurred_at, event, attempts, error_class,"
        " error_message, first_failed_at) FROM STDIN"
    ) as copy:
        for number, each in enumerate(made):
            event = (each, links[number % 2], f"2026-11-24 1{number % 10}:30+00", "{}", 5)
            error = ("KeyError", f"no link {number}", "2026-11-24 10:30+00")
            copy.write_row(event + error)
    return made


def off_record(sql: psycopg.Connection) -> int:
    """Letters that left without a record, that are on record and still there, and counts that are
    not the number of names.
    """
    return value(
        sql,
        "SELECT (SELECT count(*) FROM (SELECT message_id FROM outbox UNION SELECT message_id"
        " FROM clicks EXCEPT SELECT message_id FROM dead_letter_action_events) AS left_unnamed)"
        " + (SELECT count(*) FROM dead_letters JOIN dead_letter_action_events USING (message_id))"
        " + (SELECT count(*) FROM dead_letter_actions WHERE events <> (SELECT count(*)"
        " FROM dead_letter_action_events WHERE action_id = id))",
    )


def places(sql: psycopg.Connection) -> list[str]:
    """Every event, once for each table that it stands in, in order."""
    found = sql.execute(
        "SELECT message_id::text FROM outbox UNION ALL SELECT message_id::text FROM clicks"
        " UNION ALL SELECT message_id::text FROM dead_letters ORDER BY 1"
    ).fetchall()
    return [each for (each,) in found]


def test_killed_replays(processes: Processes, sql: psycopg.Connection, letters: list[str]) -> None:
    """Three replays killed while a relay works, a fourth to the end: each event exactly once."""
    processes.relay(RELAY_BATCH_SIZE="100")
    for _ in range(3):
        before = count(sql, "dead_letter_action_events")
        replay = processes.start(*REPLAY, "--rate", "1000")
        replay.ready(
            lambda before=before: count(sql, "dead_letter_action_events") > before,  # type: ignore[misc]
            "its first batch",
        )
        replay.kill()
        assert count(sql, "dead_letters") > 0
    assert letters == places(sql)
    assert off_record(sql) == 0
    processes.cli(*REPLAY)
    assert drained(sql) == {"outbox": 0, "clicks": LETTERS, "dead_letters": 0}
    assert letters == places(sql)
    assert off_record(sql) == 0
    assert value(sql, "SELECT sum(events) FROM dead_letter_actions") == LETTERS
    assert value(sql, "SELECT sum(clicks) FROM clicks_hourly") == LETTERS
    again = processes.cli(*REPLAY)
    assert again.stderr == "0 events are back in the outbox.\n"
    assert value(sql, "SELECT count(*) FROM dead_letter_actions") == 4
    processes.cli("relay", "verify")


def test_killed_within_a_batch(
    processes: Processes, sql: psycopg.Connection, database: Database, letters: list[str]
) -> None:
    """Killed while its statement waits in the server: that batch has not happened, not even once
    the server finds out.
    """
    lock = f"SELECT FROM dead_letters WHERE message_id = '{letters[1500]}' FOR UPDATE"
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'everyclick-relay-cli'"
    )
    with held(database.conninfo, lock):
        replay = processes.start(*REPLAY)
        replay.ready(
            lambda: value(sql, f"{waiting} AND wait_event_type = 'Lock'") == 1, "its second batch"
        )
        replay.kill()
        assert value(sql, waiting) == 1
    until(lambda: value(sql, waiting) == 0, "the end of the killed replay's backend")
    assert count(sql, "outbox") == 1000
    assert letters == places(sql)
    assert off_record(sql) == 0
    done = processes.cli(*REPLAY)
    assert done.stderr == f"{LETTERS - 1000} events are back in the outbox.\n"
    assert letters == places(sql)
    assert off_record(sql) == 0
