"""drain and status."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from service.contract.postgres import Database
from tests.support.commands import Run


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """Puts the libraries' logging back as it was: a command sets it up for its process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("aiohttp.server", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def events(database: Database) -> None:
    """Three events due, one of them by a clock that was ahead, and one deferred, of one link."""
    with database.connect() as connection:
        connection.execute(
            "WITH link AS (INSERT INTO links (code, target)"
            " VALUES ('hello', 'https://example.com/') RETURNING id)"
            " INSERT INTO outbox (message_id, link_id, available_at, attempts)"
            " SELECT gen_random_uuid(), id, now() + make_interval(secs => secs), attempts"
            " FROM link, unnest(ARRAY[0, 0, 3456000, 900], ARRAY[0, 0, 0, 12])"
            " AS event (secs, attempts)"
        )


def clicks(database: Database) -> int:
    """How many clicks have been counted."""
    with database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM clicks").fetchone()
    assert row is not None
    return int(row[0])


def test_drain(run: Run, database: Database) -> None:
    """Everything due is moved, exit code 0, nothing on stdout, and what waits is told."""
    done = run("drain")
    assert (0, "") == (done.code, done.data)
    assert "1 events wait for their next try" in done.words
    assert 3 == clicks(database)
    assert 0 == run("drain").code


def test_status(run: Run) -> None:
    """A line per number, or one JSON object."""
    told = json.loads(run("status", "--json").data)
    assert (3, 1, 0, 0) == (
        told["outbox_due"],
        told["outbox_deferred"],
        told["dead_letters"],
        told["relays"],
    )
    lines = run("status").data.splitlines()
    assert len(told) == len(lines)
    assert "outbox due              3" in lines


@pytest.mark.parametrize(
    "url, code, words",
    [
        ("postgresql://127.0.0.1:1/nothing", 69, "cannot be reached"),
        ("mysql://127.0.0.1/nothing", 78, "DATABASE_URL"),
    ],
)
def test_exit_codes(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, code: int, words: str
) -> None:
    """An unreachable database is 69, a wrong setting 78, each with a sentence and no trace."""
    monkeypatch.setenv("DATABASE_URL", url)
    for command in ("status", "verify", "drain"):
        done = run(command)
        assert code == done.code
        assert words in done.words
        assert "Traceback" not in done.words
