"""dead-letters: list, show, replay, discard."""

from __future__ import annotations

import json

import pytest

from service.contract.postgres import Database
from tests.relay.cli.conftest import Run

IDS = [f"0193b6f0-0000-7000-8000-00000000000{n}" for n in range(3)]


@pytest.fixture(autouse=True)
def letters(database: Database) -> None:
    """Three dead letters: two KeyErrors, one of them of the link `hello`, and a ValueError."""
    with database.connect() as connection:
        row = connection.execute(
            "INSERT INTO links (code, target) VALUES ('hello', 'https://example.com/') RETURNING id"
        ).fetchone()
        assert row is not None
        for message_id, link_id, error in zip(
            IDS, (row[0], 999, 999), ("KeyError", "KeyError", "ValueError"), strict=True
        ):
            connection.execute(
                "INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts,"
                " error_class, error_message, first_failed_at)"
                " VALUES (%s, %s, now(), '{\"user_agent\": \"Agent\"}', 5, %s, 'drill', now())",
                [message_id, link_id, error],
            )


def left(database: Database, table: str = "dead_letters") -> list[str]:
    """The events a table holds, in order."""
    with database.connect() as connection:
        rows = connection.execute(f"SELECT message_id FROM {table} ORDER BY 1".encode())
        return [str(each) for (each,) in rows.fetchall()]


def test_list(run: Run) -> None:
    """A line each on stdout: id, code, attempts, error; or one JSON object each."""
    done = run("dead-letters", "list", "--error", "KeyError", "--code", "hello")
    assert 0 == done.code
    (line,) = done.data.splitlines()
    assert line.startswith(IDS[0])
    assert "hello" in line
    assert line.endswith("5 attempts  KeyError: drill")
    told = [json.loads(each) for each in run("dead-letters", "list", "--json").data.splitlines()]
    assert set(IDS) == {each["message_id"] for each in told}
    assert {"Agent"} == {each["event"]["user_agent"] for each in told}
    done = run("dead-letters", "list", "--code", "nobody")
    assert (0, "", "No dead letter matches.\n") == (done.code, done.data, done.words)


def test_show(run: Run) -> None:
    """One letter whole; an id nobody has ends with 1."""
    done = run("dead-letters", "show", IDS[2])
    assert 0 == done.code
    assert "ValueError" in done.data
    assert '"user_agent": "Agent"' in done.data
    assert 1 == run("dead-letters", "show", "0193b6f0-0000-7000-8000-00000000ffff").code


def test_replay(run: Run, database: Database) -> None:
    """Chosen letters go back to the outbox; a second time none does."""
    done = run("dead-letters", "replay", "--error", "KeyError")
    assert (0, "", "2 events are back in the outbox.\n") == (done.code, done.data, done.words)
    assert IDS[:2] == left(database, "outbox")
    assert "0 events" in run("dead-letters", "replay", *IDS[:2]).words
    assert IDS[2:] == left(database)
    assert "1 events" in run("dead-letters", "replay", "--all").words


def test_discard(run: Run, database: Database) -> None:
    """Chosen letters are given up; a rehearsal changes nothing."""
    rehearsal = run("dead-letters", "discard", "--code", "hello", "--dry-run")
    assert "1 dead letters would be discarded.\n" == rehearsal.words
    assert IDS == left(database)
    assert 0 == run("dead-letters", "discard", "--code", "hello").code
    assert IDS[1:] == left(database)
    assert [] == left(database, "outbox")


@pytest.mark.parametrize("verb", ["replay", "discard"])
@pytest.mark.parametrize("choice", [[], ["--all", "--error", "KeyError"], ["no-id"]], ids=str)
def test_an_unclear_choice_changes_nothing(
    run: Run, database: Database, verb: str, choice: list[str]
) -> None:
    """Without a choice, with two that contradict, or with nonsense, it is a usage error."""
    assert 2 == run("dead-letters", verb, *choice).code
    assert IDS == left(database)
