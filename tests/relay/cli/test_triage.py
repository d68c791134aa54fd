"""dead-letters: replay, discard, log."""

from __future__ import annotations

import json

import pytest

import relay.throttle
from relay.cli import triage
from service.contract.postgres import Database
from tests.relay.cli.conftest import IDS
from tests.support.commands import Run

pytestmark = pytest.mark.usefixtures("letters")

WHY = {"replay": [], "discard": ["--reason", "drill"]}


def left(database: Database, table: str = "dead_letters") -> list[str]:
    """The events a table holds, in order."""
    with database.connect() as connection:
        rows = connection.execute(f"SELECT message_id FROM {table} ORDER BY 1".encode())
        return [str(each) for (each,) in rows.fetchall()]


def actions(database: Database) -> list[tuple[object, ...]]:
    """The record, in order."""
    with database.connect() as connection:
        return connection.execute(
            "SELECT action, events, choice, reason FROM dead_letter_actions ORDER BY id"
        ).fetchall()


def test_replay(run: Run, database: Database) -> None:
    """Chosen letters go back to the outbox; a second time none does."""
    done = run("dead-letters", "replay", "--error", "KeyError")
    assert (0, "", "2 events are back in the outbox.\n") == (done.code, done.data, done.words)
    assert IDS[:2] == left(database, "outbox")
    assert "0 events" in run("dead-letters", "replay", *IDS[:2]).words
    assert IDS[2:] == left(database)
    assert "1 events" in run("dead-letters", "replay", "--all").words


def test_replay_of_a_group(run: Run, database: Database) -> None:
    """By fingerprint; the record says by which."""
    fingerprint = run("dead-letters", "groups", "--error", "KeyError").data.split()[0]
    assert "2 events" in run("dead-letters", "replay", "--fingerprint", fingerprint).words
    assert IDS[:2] == left(database, "outbox")
    assert [("replay", 2, {"fingerprint": fingerprint}, None)] == actions(database)


@pytest.mark.parametrize("option", ["--canary", "--limit"])
def test_canary(run: Run, database: Database, option: str) -> None:
    """The oldest first, and where to look then; afterwards the others."""
    done = run("dead-letters", "replay", "--all", option, "1")
    assert [
        "1 events are back in the outbox.",
        "Where they are now: python -m relay dead-letters log 1",
    ] == done.words.splitlines()
    assert IDS[:1] == left(database, "outbox")
    assert "2 events" in run("dead-letters", "replay", "--all").words
    assert [{"canary": 1}, {}] == [choice for _, _, choice, _ in actions(database)]
    done = run("dead-letters", "replay", "--all", option, "1")
    assert "0 events are back in the outbox.\n" == done.words


def test_rehearsal(run: Run, database: Database) -> None:
    """What would be taken, by cause, and what would become of it; nothing is changed or recorded."""
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO clicks (message_id, link_id, occurred_at)"
            " SELECT message_id, link_id, now() FROM dead_letters ORDER BY 1 LIMIT 1"
        )
    done = run("dead-letters", "replay", "--all", "--dry-run")
    assert 0 == done.code
    assert [("2", "KeyError:"), ("1", "ValueError:")] == [
        (line.split()[1], line.split()[-2]) for line in done.data.splitlines()
    ]
    assert [
        "3 dead letters would be replayed: 2 groups, 2 links.",
        "2 of them would vanish: their link is deleted.",
        "1 of them are counted already and would add nothing.",
    ] == done.words.splitlines()
    done = run("dead-letters", "replay", "--all", "--canary", "1", "--dry-run")
    assert done.words.startswith("1 dead letters would be replayed: 1 groups, 1 links.\n")
    assert IDS == left(database)
    assert [] == actions(database)


def test_progress(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it works it tells how far it is; the last line is how far it came."""
    monkeypatch.setattr(triage, "TELL", 0.0)
    done = run("dead-letters", "replay", "--all", "--rate", "8")
    assert [
        "2 of 3 …", "3 of 3 …", "3 events are back in the outbox.",
    ] == done.words.splitlines()  # fmt: skip


def test_a_lost_connection(run: Run, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off in the middle it says how much is done and how to go on, and ends with 69."""
    monkeypatch.setattr(relay.throttle, "BATCH", 1)
    with database.connect() as connection:
        # Cuts off whoever comes for the second letter, as a server that goes away would.
        connection.execute(
            "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF OLD.message_id = '{IDS[1]}' THEN PERFORM pg_terminate_backend(pg_backend_pid());"
            " END IF; RETURN OLD; END $$"
        )
        connection.execute(
            "CREATE TRIGGER cut BEFORE DELETE ON dead_letters FOR EACH ROW EXECUTE FUNCTION cut()"
        )
        done = run("dead-letters", "replay", "--all")
        assert 69 == done.code
        assert "at least 1 of 3 events are back in the outbox" in done.words
        assert "dead-letters log 1; the same command again does the rest" in done.words
        connection.execute("DROP TRIGGER cut ON dead_letters")
    assert (IDS[:1], IDS[1:]) == (left(database, "outbox"), left(database))
    assert "2 events" in run("dead-letters", "replay", "--all").words
    assert [1, 2] == [events for _, events, _, _ in actions(database)]


def test_discard(run: Run, database: Database) -> None:
    """Chosen letters are given up, with a reason; a rehearsal changes nothing and needs none."""
    rehearsal = run("dead-letters", "discard", "--code", "hello", "--dry-run")
    assert "1 dead letters would be discarded: 1 groups, 1 links.\n" == rehearsal.words
    assert IDS == left(database)
    done = run("dead-letters", "discard", "--code", "hello", "--reason", " a robot's ")
    assert (0, "1 dead letters were discarded.\n") == (done.code, done.words)
    assert IDS[1:] == left(database)
    assert [] == left(database, "outbox")
    assert [("discard", 1, {"code": "hello"}, "a robot's")] == actions(database)


@pytest.mark.parametrize("reason", [[], ["--reason", ""], ["--reason", "  "]], ids=str)
def test_no_discard_without_a_reason(run: Run, database: Database, reason: list[str]) -> None:
    """Without a reason it is a usage error and nothing is done."""
    done = run("dead-letters", "discard", "--all", *reason)
    assert 2 == done.code
    assert "--reason" in done.words
    assert IDS == left(database)


def test_log(run: Run) -> None:
    """A line for each action, latest first: what was done, how much, by whom, which and why."""
    done = run("dead-letters", "log")
    assert (0, "", "Nothing was done to dead letters yet.\n") == (done.code, done.data, done.words)
    run("dead-letters", "replay", IDS[0])
    run("dead-letters", "discard", "--error", "ValueError", "--reason", "never\nmind")
    discarded, replayed = run("dead-letters", "log").data.splitlines()
    assert ["2", "discard", "1", "of", "1"] == [*discarded.split()[:1], *discarded.split()[2:6]]
    assert discarded.endswith('{"error_class": "ValueError"}  never mind')
    assert IDS[0] in replayed
    (told,) = map(
        json.loads, run("dead-letters", "log", "--limit", "1", "--json").data.splitlines()
    )
    assert ("discard", "never\nmind", {"error_class": "ValueError"}) == (
        told["action"], told["reason"], told["choice"],
    )  # fmt: skip


def test_log_of_one_action(run: Run) -> None:
    """Each letter that it took and where its event is now; an action nobody did ends with 1."""
    run("dead-letters", "replay", "--error", "KeyError")
    done = run("dead-letters", "log", "1")
    assert IDS[:2] == [line.split()[0] for line in done.data.splitlines()]
    assert done.words.endswith("Now: 2 waiting.\n")
    told = [
        json.loads(line) for line in run("dead-letters", "log", "1", "--json").data.splitlines()
    ]
    assert ["waiting", "waiting"] == [each["fate"] for each in told]
    done = run("dead-letters", "log", "2")
    assert (1, "", "No action has the number 2.\n") == (done.code, done.data, done.words)


@pytest.mark.parametrize("verb", ["replay", "discard"])
@pytest.mark.parametrize(
    "choice",
    [
        [],
        ["--all", "--error", "KeyError"],
        ["--all", "--fingerprint", "4f1c"],
        ["--all", IDS[0]],
        ["--error", ""],
        ["--fingerprint", ""],
        ["no-id"],
    ],
    ids=str,
)
def test_an_unclear_choice_changes_nothing(
    run: Run, database: Database, verb: str, choice: list[str]
) -> None:
    """Without a choice, with two that contradict, or with nonsense, it is a usage error."""
    assert 2 == run("dead-letters", verb, *choice, *WHY[verb]).code
    assert IDS == left(database)
