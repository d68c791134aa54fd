"""The relay's command line, inside the test's process."""

from __future__ import annotations

import pytest

from service.contract.postgres import Database
from tests.support.commands import Run, runner

IDS = [f"0193b6f0-0000-7000-8000-00000000000{n}" for n in range(3)]
"""The message ids of `letters`."""


@pytest.fixture
def run(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `python -m relay ARGV…` on the test's database."""
    return runner(monkeypatch, capsys)(database)


@pytest.fixture
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
