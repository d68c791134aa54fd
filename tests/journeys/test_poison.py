"""The poison drill: what fails every time is buried at the cap, found, and brought back once."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import psycopg
import pytest

from tests.support.processes import Processes
from tests.support.traffic import add_events, counts, drained, make_link
from tests.support.waiting import until

pytestmark = pytest.mark.process

EVENTS = 12


def test_poison_is_buried_and_replayed(processes: Processes, sql: psycopg.Connection) -> None:
    """Five handlings, each later than the one before, then dead_letters; a replay counts each once."""
    add_events(sql, make_link(sql, "poison"), EVENTS)
    original = sql.execute(
        "SELECT message_id::text, link_id, occurred_at, to_jsonb(outbox) FROM outbox ORDER BY 1"
    ).fetchall()
    relay = processes.relay(
        RELAY_FAULT_RATE="1",
        RELAY_MAX_ATTEMPTS="5",
        RELAY_BACKOFF_SECONDS="0.05",
        LOG_LEVEL="debug",  # a line for each event
    )
    until(lambda: counts(sql)["dead_letters"] == EVENTS, "all events buried")
    until(lambda: len(relay.logged("event_buried")) == EVENTS, "all burials told")
    assert counts(sql) == {"outbox": 0, "clicks": 0, "dead_letters": EVENTS}

    handlings, delays = defaultdict(list), defaultdict(list)
    for entry in relay.logged("event_failed"):
        handlings[entry["message_id"]].append(entry["attempts"])
        delays[entry["message_id"]].append(entry["delay"])
    for entry in relay.logged("event_buried"):
        handlings[entry["message_id"]].append(entry["attempts"])
    ids = [row[0] for row in original]
    assert {each: [1, 2, 3, 4, 5] for each in ids} == dict(handlings)
    assert all(early < late for each in delays.values() for early, late in pairwise(each))
    assert relay.stop().code == 0

    buried = sql.execute(
        "SELECT message_id::text, link_id, occurred_at, event, attempts, error_class,"
        " error_message, first_failed_at < dead_at FROM dead_letters ORDER BY 1"
    ).fetchall()
    for before, letter in zip(original, buried, strict=True):
        assert before[:3] == letter[:3]
        whole = before[3]
        assert {name: whole[name] for name in letter[3]} == letter[3]
        assert {"message_id", "link_id", "occurred_at", "referrer", "user_agent"} == set(letter[3])
        words = "RELAY_FAULT_RATE=1 failed this handling on purpose"
        assert (5, "DrillFault", words, True) == letter[4:]

    processes.relay(RELAY_FAULT_RATE="0")
    done = processes.cli("relay", "dead-letters", "replay", "--all")
    assert f"{EVENTS} events are back in the outbox.\n" == done.stderr
    assert drained(sql) == {"outbox": 0, "clicks": EVENTS, "dead_letters": 0}
    again = processes.cli("relay", "dead-letters", "replay", "--all")
    assert again.stderr == "0 events are back in the outbox.\n"
    moved = sql.execute(
        "SELECT message_id::text, link_id, occurred_at FROM clicks ORDER BY 1"
    ).fetchall()
    assert [row[:3] for row in original] == moved
    processes.cli("relay", "verify")
