"""status --check."""

from __future__ import annotations

from psycopg.rows import scalar_row

from relay.cli.check import Limits, faults
from service.contract.observations import PipelineMeasured
from service.contract.postgres import Database
from tests.support.commands import Run

LIMITS = Limits(max_oldest=60.0, max_dead_letters=0, min_relays=1)


def test_nothing_is_wrong() -> None:
    """A relay that lives and has nothing to do."""
    assert [] == faults(PipelineMeasured(0, 0.0, 0, 1, 1.0, 1.0, 0, 0, None, None, 0.0), LIMITS)


def test_everything_is_wrong() -> None:
    """A sentence for each."""
    state = PipelineMeasured(9, 61.0, 1, 0, 70.0, 70.0, 2, 0, 5.0, 3, 0.0)
    assert 5 == len(faults(state, LIMITS))
    alive = PipelineMeasured(9, 5.0, 0, 1, 1.0, 70.0, 0, 0, None, None, 0.0)
    assert ["no relay has made progress" in each for each in faults(alive, LIMITS)] == [True]


def test_check(run: Run, database: Database) -> None:
    """Exit code 1 and a sentence on stderr without a relay, 0 within the limits given."""
    done = run("status", "--check")
    assert 1 == done.code
    assert "0 relays are alive" in done.words
    assert 0 == run("status", "--check", "--min-relays", "0").code
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO outbox (message_id, link_id, occurred_at)"
            " VALUES (gen_random_uuid(), 1, now() - interval '2 minutes')"
        )
    assert 1 == run("status", "--check", "--min-relays", "0").code
    assert 0 == run("status", "--check", "--min-relays", "0", "--max-oldest", "600").code


def test_a_verification_is_kept(run: Run, database: Database) -> None:
    """verify leaves its result and its time behind, for status and the metrics."""
    assert 0 == run("verify").code
    with database.connect() as connection:
        connection.execute("INSERT INTO clicks_hourly VALUES (1, '2026-01-01 00:00+00', 4)")
        assert 1 == run("verify").code
        cursor = connection.cursor(row_factory=scalar_row)
        assert [1] == cursor.execute("SELECT differences FROM verifications").fetchall()
    assert "The last verify found 1 differences" in run("status", "--check").words
