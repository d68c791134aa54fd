"""verify and rebuild."""

from __future__ import annotations

import pytest

from relay.cli import rollups
from service.contract.postgres import Database
from tests.support.commands import Run
from tests.support.ledger import held


def plant(database: Database) -> None:
    """One click without a rollup."""
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO clicks (message_id, link_id, occurred_at)"
            " VALUES (gen_random_uuid(), 7, '2026-11-24 10:30+00')"
        )


def test_equal(run: Run) -> None:
    """Without a difference verify says so and ends with 0; data is empty."""
    done = run("verify")
    assert (0, "", "Rollups and clicks are equal.\n") == (done.code, done.data, done.words)


def test_a_difference_is_an_error_until_rebuilt(run: Run, database: Database) -> None:
    """Verify prints each difference and ends with 1; after a rebuild it ends with 0."""
    plant(database)
    done = run("verify")
    assert 1 == done.code
    assert "link_id\thour\trollup\tclicks\n7\t2026-11-24T10:00:00+00:00\t0\t1\n" == done.data
    assert "python -m relay rebuild" in done.words
    done = run("rebuild")
    assert (0, "Rollups rebuilt: 1 hours changed.\n") == (done.code, done.words)
    assert 0 == run("verify").code


def test_a_batch_that_never_ends(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a batch does not end the rebuild gives up, ends with 1 and has changed nothing."""
    monkeypatch.setattr(rollups, "PATIENCE", 1)
    plant(database)
    with held(database.conninfo, "SELECT pg_advisory_xact_lock_shared(7204316012)"):
        done = run("rebuild")
    assert 1 == done.code
    assert "nothing was changed" in done.words
    assert 1 == run("verify").code
