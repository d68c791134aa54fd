"""dead-letters: groups, list, show."""

from __future__ import annotations

import json
import re

import pytest

from service.contract.postgres import Database
from tests.relay.cli.conftest import IDS
from tests.support.commands import Run

pytestmark = pytest.mark.usefixtures("letters")


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


def test_groups(run: Run) -> None:
    """A line for each cause: fingerprint, how many of how many links, since when, an example."""
    done = run("dead-letters", "groups")
    assert 0 == done.code
    first, second = done.data.splitlines()
    assert ["2 events", "2 links"] == re.findall(r"\d+ events|\d+ links", first)
    assert first.endswith("KeyError: drill")
    fingerprint = second.split()[0]
    told = json.loads(run("dead-letters", "groups", "--fingerprint", fingerprint, "--json").data)
    assert ("ValueError", 1, IDS[2]) == (told["error_class"], told["events"], told["example_id"])
    listed = run("dead-letters", "list", "--fingerprint", fingerprint).data
    assert [IDS[2]] == [line.split()[0] for line in listed.splitlines()]
    done = run("dead-letters", "groups", "--error", "OSError")
    assert (0, "", "No dead letter matches.\n") == (done.code, done.data, done.words)


def test_a_line_each(run: Run, database: Database) -> None:
    """A message of many lines, or one that would move the cursor, is still one harmless line."""
    with database.connect() as connection:
        connection.execute("UPDATE dead_letters SET error_message = E'no\\n\\x1b[2J link'")
    for command in ("list", "groups"):
        lines = run("dead-letters", command).data.splitlines()
        assert {"no \\x1b[2J link"} == {line.partition("Error: ")[2] for line in lines}
