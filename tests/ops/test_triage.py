"""What an operator types: each file of ops/triage, run by psql on a database with data."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import subprocess
from collections.abc import Callable

import pytest

from relay.drain import drain
from relay.runner import mover
from relay.settings import RelaySettings
from service.contract.embedded import binaries
from service.contract.postgres import Database
from tests.support.clones import Template
from tests.support.commands import Run, runner
from tests.support.processes import REPOSITORY

TRIAGE = REPOSITORY / "ops" / "triage"

IDS = [f"0193b6f0-0000-7000-8000-00000000000{n}" for n in range(4)]


@pytest.fixture
def run_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Database], Run]:
    """Runs `python -m relay ARGV…` on a database of the test's choice."""
    return runner(monkeypatch, capsys)


@pytest.fixture
def run(database: Database, run_on: Callable[[Database], Run]) -> Run:
    """Runs `python -m relay ARGV…` on the test's database."""
    return run_on(database)


def psql(database: Database, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a file as the README says."""
    chosen = [word for key, value in variables.items() for word in ("-v", f"{key}={value}")]
    return subprocess.run(
        [
            binaries.bin_dir() / "psql",
            database.conninfo,
            *("-X", "--csv", "--tuples-only", "--quiet"),
            *chosen,
            *("-f", TRIAGE / f"{name}.sql"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
    )


def run_psql(database: Database, name: str, **variables: str) -> list[list[str]]:
    """Run a file and return the rows it prints; it must not complain."""
    done = psql(database, name, **variables)
    assert (0, "") == (done.returncode, done.stderr)
    return list(csv.reader(io.StringIO(done.stdout)))


@pytest.fixture(autouse=True)
def letters(database: Database) -> None:
    """The letters of `plant`."""
    plant(database)


def plant(database: Database) -> None:
    """Four dead letters: KeyError of `one` (twice) and of a link that is gone, ValueError of one.

    The second one's click is counted already, the fourth one's event waits already.
    """
    with database.connect() as connection:
        connection.execute("INSERT INTO users (email, password_hash) VALUES ('ada@a.example', '')")
        connection.execute(
            "INSERT INTO links (code, target, owner_id, created_at)"
            " SELECT 'one', 'https://example.com/', id, '2026-11-01' FROM users"
        )
        connection.execute(
            "INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts,"
            " error_class, error_message, first_failed_at, dead_at)"
            " SELECT id::uuid, coalesce(link, 999), '2026-11-24 10:30+00',"
            " jsonb_build_object('referrer', 'https://example.org/', 'user_agent', 'Agent'),"
            " 5, error, 'no ' || id, '2026-11-24 10:31+00', '2026-11-24 11:00+00'"
            " FROM unnest(%s::text[], ARRAY['KeyError', 'KeyError', 'KeyError', 'ValueError'],"
            " ARRAY[(SELECT id FROM links), (SELECT id FROM links), NULL, (SELECT id FROM links)])"
            " AS letter (id, error, link)",
            [IDS],
        )
        connection.execute(
            "INSERT INTO clicks (message_id, link_id, occurred_at)"
            " SELECT message_id, link_id, occurred_at FROM dead_letters WHERE message_id = %s",
            [IDS[1]],
        )
        connection.execute(
            "INSERT INTO clicks_hourly SELECT link_id, '2026-11-24 10:00+00', 1 FROM clicks"
        )
        connection.execute(
            "INSERT INTO outbox (message_id, link_id, occurred_at, attempts)"
            " SELECT message_id, link_id, occurred_at, 3 FROM dead_letters WHERE message_id = %s",
            [IDS[3]],
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
    """One event whole, the JSON over several lines, and what was done to it; or no row."""
    (row,) = run_psql(database, "one", message_id=IDS[0])
    assert [IDS[0], "one"] == row[:2]
    assert {"referrer": "https://example.org/", "user_agent": "Agent"} == json.loads(row[-1])
    assert [] == run_psql(database, "one", message_id=IDS[0].replace("7000", "7fff"))
    run_psql(database, "discard", message_ids=IDS[0], reason="a robot")
    (row,) = run_psql(database, "one", message_id=IDS[0])
    assert "discard" in row
    assert "a robot" in row
    assert f"no {IDS[0]}" == row[-1]


def shown(rows: list[list[str]]) -> list[list[str]]:
    """Without times: psql and a program write them differently."""
    return [row[:4] + row[6:] for row in rows]


def test_groups_are_those_of_the_command(database: Database, run: Run) -> None:
    """groups.sql tells the causes as `python -m relay dead-letters groups` does."""
    told = [json.loads(line) for line in run("dead-letters", "groups", "--json").data.splitlines()]
    assert 2 == len(told)
    expected = [[str(value) for value in each.values()] for each in told]
    assert shown(expected) == shown(run_psql(database, "groups"))


def test_rehearse(database: Database) -> None:
    """What a choice takes, cause by cause and in all; nothing is changed."""
    before = tables(database)
    found = run_psql(database, "rehearse", all="yes")
    assert [
        ["KeyError", "3", "2", "1", "1"],
        ["ValueError", "1", "1", "0", "0"],
        ["KeyError", "4", "2", "1", "1"],
    ] == [row[1:] for row in found]
    assert "all" == found[2][0]
    assert [["1"], ["1"]] == [
        row[2:3] for row in run_psql(database, "rehearse", all="yes", canary="1")
    ]
    assert before == tables(database)


TABLES = {
    "outbox": "id, message_id, link_id, occurred_at, attempts, referrer, user_agent, last_error,"
    " first_failed_at, available_at <= clock_timestamp()",
    "dead_letters": "*",
    "clicks": "*",
    "clicks_hourly": "*",
    "links": "*",
    "dead_letter_actions": "id, action, role, os_user, choice, reason, planned, events,"
    " last_at >= at",
    "dead_letter_action_events": "*",
}
"""All that the pipeline holds, but for the moments at which something was done."""


def tables(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    return {
        name: rows(database, f"SELECT {columns} FROM {name} ORDER BY 1, 2")
        for name, columns in TABLES.items()
    }


FINGERPRINT = "FINGERPRINT"
"""Stands for the KeyErrors' fingerprint."""

CHOICES: dict[str, tuple[list[str], dict[str, str]]] = {
    "ids": ([IDS[2], IDS[0]], {"message_ids": f"{IDS[2]},{IDS[0]}"}),
    "class": (["--error", "KeyError"], {"error_class": "KeyError"}),
    "fingerprint": (["--fingerprint", FINGERPRINT], {"fingerprint": FINGERPRINT}),
    "code": (["--code", "one"], {"code": "one"}),
    "two": (["--code", "one", "--error", "KeyError"], {"code": "one", "error_class": "KeyError"}),
    "all": (["--all"], {"all": "yes"}),
    "none": (["--error", "OSError"], {"error_class": "OSError"}),
}


def same(
    template: Template,
    run_on: Callable[[Database], Run],
    action: str,
    words: list[str],
    variables: dict[str, str],
) -> dict[str, list[tuple[object, ...]]]:
    """Do one action by the command on one copy and by psql on another, each twice and then a relay;
    every table must be the same at each point. Return the tables after the first.
    """
    with template.clone() as one, template.clone() as other:
        for each in (one, other):
            plant(each)
        (fingerprint,) = {
            str(found)
            for (found,) in rows(
                one, "SELECT fingerprint FROM dead_letters WHERE error_class = 'KeyError'"
            )
        }
        assert tables(one) == tables(other)
        commanded = run_on(one)
        words = [fingerprint if each == FINGERPRINT else each for each in words]
        variables = {
            name: fingerprint if each == FINGERPRINT else each for name, each in variables.items()
        }
        assert 0 == commanded("dead-letters", action, *words).code
        run_psql(other, action, **variables)
        first = tables(one)
        assert first == tables(other)
        if "--canary" not in words:
            commanded("dead-letters", action, *words)
            assert [] == run_psql(other, action, **variables)
            assert first == tables(one) == tables(other)
        for each in (one, other):
            move(each)
        assert tables(one) == tables(other)
        assert tables(one)["dead_letter_actions"] == first["dead_letter_actions"]
        return first


def move(database: Database) -> None:
    """Do what a relay would: move all that is due, fail on nothing."""

    async def inside() -> None:
        async with await database.aconnect() as connection:
            await drain(connection, mover(RelaySettings(), lambda _: None), wait=False)

    asyncio.run(inside())


@pytest.mark.parametrize("choice", CHOICES)
def test_replay_is_what_the_command_does(
    template: Template, run_on: Callable[[Database], Run], choice: str
) -> None:
    """replay.sql leaves every table as `dead-letters replay` does, the record included."""
    words, variables = CHOICES[choice]
    found = same(template, run_on, "replay", words, variables)
    taken = len(found["dead_letter_action_events"])
    assert taken == 4 - len(found["dead_letters"])
    assert (choice != "none") == (taken > 0) == (len(found["dead_letter_actions"]) == 1)


@pytest.mark.parametrize("choice", CHOICES)
def test_discard_is_what_the_command_does(
    template: Template, run_on: Callable[[Database], Run], choice: str
) -> None:
    """discard.sql leaves every table as `dead-letters discard` does, the record included."""
    words, variables = CHOICES[choice]
    reason = 'a robot\'s, said "Ada"'
    found = same(
        template, run_on, "discard", [*words, "--reason", reason], {**variables, "reason": reason}
    )
    taken = len(found["dead_letter_action_events"])
    assert taken == 4 - len(found["dead_letters"])
    assert 1 == len(found["outbox"])
    assert {reason} >= {row[5] for row in found["dead_letter_actions"]}


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_a_canary_is_what_the_command_takes(
    template: Template, run_on: Callable[[Database], Run], action: str
) -> None:
    """canary=2 takes the two oldest, as --canary 2 does."""
    words, variables = ["--all", "--canary", "2"], {"all": "yes", "canary": "2"}
    if action == "discard":
        words, variables = [*words, "--reason", "drill"], {**variables, "reason": "drill"}
    found = same(template, run_on, action, words, variables)
    assert IDS[2:] == [str(row[0]) for row in found["dead_letters"]]


@pytest.mark.parametrize("name", ["rehearse", "replay", "discard"])
@pytest.mark.parametrize(
    "variables",
    [{}, {"all": "no"}, {"all": "yes", "code": "one"}, {"canary": "1"}, {"message_ids": ""}],
    ids=str,
)
def test_an_unclear_choice_changes_nothing(
    database: Database, name: str, variables: dict[str, str]
) -> None:
    """Without a choice, or with two that contradict, psql stops with an error."""
    before = tables(database)
    done = psql(database, name, **variables, reason="drill")
    assert 3 == done.returncode
    assert "say which" in done.stderr
    assert "" == done.stdout
    assert before == tables(database)


@pytest.mark.parametrize("variables", [{}, {"reason": ""}, {"reason": "  "}], ids=str)
def test_no_discard_without_a_reason(database: Database, variables: dict[str, str]) -> None:
    """Without a reason psql stops with an error and nothing is given up."""
    before = tables(database)
    done = psql(database, "discard", all="yes", **variables)
    assert 3 == done.returncode
    assert "dead_letter_actions_reason_check" in done.stderr
    assert before == tables(database)


def test_log_and_action(database: Database) -> None:
    """What was done, latest first; and the letters of one action with where they are now."""
    run_psql(database, "replay", error_class="KeyError")
    run_psql(database, "discard", all="yes", reason="a robot")
    found = run_psql(database, "log")
    assert [["2", "discard", "1", "1"], ["1", "replay", "3", "3"]] == [
        [row[0], *row[3:6]] for row in found
    ]
    assert "a robot" == found[0][-1]
    taken = run_psql(database, "action", action_id="1")
    assert [(IDS[0], "waiting"), (IDS[1], "counted"), (IDS[2], "waiting")] == [
        (row[0], row[3]) for row in taken
    ]


@pytest.mark.parametrize("name", ["replay", "discard"])
@pytest.mark.parametrize("variable", ["error_class", "fingerprint", "code"])
def test_a_hostile_choice_is_only_text(database: Database, name: str, variable: str) -> None:
    """A value with quotes in it matches nothing and changes nothing."""
    before = tables(database)
    hostile = {variable: "' OR true; DROP TABLE outbox; --"}
    assert [] == run_psql(database, name, **hostile, reason="'; DROP TABLE links; --")
    assert before == tables(database)


def test_the_readme_names_each_file() -> None:
    """ops/triage/README.md has a line for every file, and none for a file that is gone."""
    text = (TRIAGE / "README.md").read_text()
    files = {path.name for path in TRIAGE.glob("*.sql")}
    assert files == {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert {path.stem for path in TRIAGE.glob("*.sql")} == {
        "by_error",
        "by_hour",
        "by_link",
        "groups",
        "one",
        "choice",
        "rehearse",
        "replay",
        "discard",
        "log",
        "action",
    }
