"""What an operator types: each file of ops/triage, run by psql on a database with data."""

from __future__ import annotations

import subprocess

import pytest

from service.contract import statements
from service.contract.embedded import binaries
from service.contract.postgres import Database
from tests.support.processes import REPOSITORY

TRIAGE = REPOSITORY / "ops" / "triage"

IDS = [f"0193b6f0-0000-7000-8000-00000000000{n}" for n in range(4)]


def run_psql(database: Database, name: str, **variables: str) -> list[list[str]]:
    """Run a file as the README says, and return the rows it prints."""
    chosen = [word for key, value in variables.items() for word in ("-v", f"{key}={value}")]
    done = subprocess.run(
        [
            binaries.bin_dir() / "psql",
            database.conninfo,
            *("-X", "-v", "ON_ERROR_STOP=1", "--csv", "--tuples-only", "--quiet"),
            *chosen,
            *("-f", TRIAGE / f"{name}.sql"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
    )
    assert (0, "") == (done.returncode, done.stderr)
    return [line.split(",") for line in done.stdout.splitlines()]


@pytest.fixture(autouse=True)
def letters(database: Database) -> None:
    """Four dead letters: KeyError of `one` (twice) and of a link that is gone, ValueError of one."""
    with database.connect() as connection:
        connection.execute("INSERT INTO users (email, password_hash) VALUES ('ada@a.example', '')")
        connection.execute(
            "INSERT INTO links (code, target, owner_id)"
            " SELECT 'one', 'https://example.com/', id FROM users"
        )
        connection.execute(
            "INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts,"
            " error_class, error_message, first_failed_at, dead_at)"
            " SELECT id::uuid, coalesce(link, 999), '2026-11-24 10:30+00',"
            " jsonb_build_object('referrer', 'https://example.org/', 'user_agent', 'Agent'),"
            " 5, error, 'drill', '2026-11-24 10:31+00', '2026-11-24 11:00+00'"
            " FROM unnest(%s::text[], ARRAY['KeyError', 'KeyError', 'KeyError', 'ValueError'],"
            " ARRAY[(SELECT id FROM links), (SELECT id FROM links), NULL, (SELECT id FROM links)])"
            " AS letter (id, error, link)",
            [IDS],
        )


def rows(database: Database, statement: str) -> list[tuple[object, ...]]:
    """What a query finds."""
    with database.connect() as connection:
        return connection.execute(statement.encode()).fetchall()


def test_by_error(database: Database) -> None:
    """Each error with its number, most first, with an example to look at."""
    found = run_psql(database, "by_error")
    assert [["KeyError", "3", "2"], ["ValueError", "1", "1"]] == [row[:3] for row in found]
    assert [IDS[0], IDS[3]] == [row[-1] for row in found]


def test_by_hour(database: Database) -> None:
    """Each hour and error with its number."""
    found = run_psql(database, "by_hour")
    assert [["KeyError", "3"], ["ValueError", "1"]] == [row[1:] for row in found]
    assert all(row[0].startswith("2026-11-24 11:00:00") for row in found)


def test_by_link(database: Database) -> None:
    """Each link with its owner; events of a link that is gone are shown too."""
    found = run_psql(database, "by_link")
    assert [
        ["one", "https://example.com/", "ada@a.example", "3"],
        ["", "", "", "1"],
    ] == [row[:4] for row in found]


def test_one(database: Database) -> None:
    """One event whole, the JSON over several lines; an id nobody has gives no row."""
    text = "\n".join(",".join(row) for row in run_psql(database, "one", message_id=IDS[0]))
    assert text.startswith(f"{IDS[0]},one,")
    assert '""user_agent"": ""Agent""' in text
    assert [] == run_psql(database, "one", message_id=IDS[0].replace("7000", "7fff"))


def test_replay_is_what_the_command_does(database: Database) -> None:
    """replay.sql leaves the tables as `python -m relay dead-letters replay --error` does."""
    outbox = (
        "SELECT message_id, link_id, occurred_at, attempts, referrer, user_agent, last_error,"
        " first_failed_at, available_at <= clock_timestamp() FROM outbox ORDER BY 1"
    )
    left = "SELECT message_id FROM dead_letters ORDER BY 1"
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(
            statements.load("relay")["dead_letters_replay"],
            {"message_ids": None, "error_class": "KeyError", "code": None},
        )
        expected = [connection.execute(each.encode()).fetchall() for each in (outbox, left)]
    found = run_psql(database, "replay", error_class="KeyError")
    assert IDS[:3] == [row[0] for row in found]
    assert expected == [rows(database, outbox), rows(database, left)]
    assert [] == run_psql(database, "replay", error_class="KeyError")
    assert expected == [rows(database, outbox), rows(database, left)]


def test_discard(database: Database) -> None:
    """discard.sql gives up the letters of one error, prints them, and no others."""
    found = run_psql(database, "discard", error_class="KeyError")
    assert IDS[:3] == [row[0] for row in found]
    assert 1 == len(rows(database, "SELECT FROM dead_letters"))
    assert [] == rows(database, "SELECT FROM outbox")


@pytest.mark.parametrize("name", ["replay", "discard"])
def test_a_hostile_class_is_only_text(database: Database, name: str) -> None:
    """An error class with quotes in it matches nothing and changes nothing."""
    assert [] == run_psql(database, name, error_class="' OR true; DROP TABLE outbox; --")
    assert 4 == len(rows(database, "SELECT FROM dead_letters"))


def test_the_readme_names_each_file() -> None:
    """ops/triage/README.md has a line for every file, and none for a file that is gone."""
    text = (TRIAGE / "README.md").read_text()
    files = {path.name for path in TRIAGE.glob("*.sql")}
    assert files == {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert {path.stem for path in TRIAGE.glob("*.sql")} == {
        "by_error",
        "by_hour",
        "by_link",
        "one",
        "replay",
        "discard",
    }
