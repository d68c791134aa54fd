"""Which errors cost an event no attempt."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from service.contract.observations import DatabaseRefused, DatabaseUnavailable
from service.contract.transience import is_transient, needs_operator, observation


@pytest.mark.parametrize(
    "sqlstate, what",
    [
        ("08006", "connection failure"),
        ("0A000", "a kept plan does not fit its table any more"),
        ("25006", "read-only transaction: a failover"),
        ("26000", "a prepared statement is gone"),
        ("40001", "serialization failure"),
        ("40P01", "deadlock"),
        ("42P01", "a table is missing: a deployment half done"),
        ("42703", "a column is missing: a deployment half done"),
        ("53100", "disk full"),
        ("53300", "too many connections"),
        ("55P03", "lock not available"),
        ("57014", "statement timeout or cancellation"),
        ("57P01", "administrator's shutdown"),
        ("57P03", "starting up"),
        ("58030", "input/output error"),
    ],
)
def test_the_moments_fault(sqlstate: str, what: str) -> None:
    """An error of the moment is transient."""
    assert is_transient(errors.lookup(sqlstate)()), what


@pytest.mark.parametrize(
    "sqlstate, what",
    [
        ("21000", "cardinality violation"),
        ("22003", "number out of range"),
        ("22008", "date out of range"),
        ("22021", "not text in this encoding"),
        ("23502", "not null"),
        ("23503", "foreign key"),
        ("23514", "check, or no partition for the row"),
        ("54000", "beyond a limit: an index row too large"),
        ("P0001", "raised by a trigger"),
        ("XX000", "internal error"),
    ],
)
def test_the_events_fault(sqlstate: str, what: str) -> None:
    """An error that the event itself caused is not transient, or its batch would never end."""
    assert not is_transient(errors.lookup(sqlstate)()), what


@pytest.mark.parametrize("error", [psycopg.OperationalError(), psycopg.InterfaceError()])
def test_lost_connection(error: psycopg.Error) -> None:
    """An error without a code that says the connection is gone is transient."""
    assert is_transient(error)


@pytest.mark.parametrize("error", [psycopg.DataError(), psycopg.ProgrammingError()])
def test_refused_before_it_was_sent(error: psycopg.Error) -> None:
    """An error that psycopg raised about a value is not transient."""
    assert not is_transient(error)


@pytest.mark.parametrize(
    "sqlstate, what",
    [
        ("42501", "insufficient privilege"),
        ("42P01", "a table is missing"),
        ("42703", "a column is missing"),
        ("42883", "a function is missing"),
        ("3F000", "a schema is missing"),
        ("28000", "the role may not log in"),
    ],
)
def test_waiting_does_not_fix_it(sqlstate: str, what: str) -> None:
    """Such an error costs no event an attempt, and is not reported as an absent database."""
    error = errors.lookup(sqlstate)("drill")
    assert is_transient(error), what
    assert needs_operator(error), what
    assert DatabaseRefused("redirect", "drill") == observation("redirect", error)


@pytest.mark.parametrize("sqlstate", ["08006", "42P05", "0A000", "40P01", "53100", "57014"])
def test_waiting_or_another_connection_fixes_it(sqlstate: str) -> None:
    """The others are: the database is away, full or busy, or the connection has a stale statement."""
    error = errors.lookup(sqlstate)("drill")
    assert is_transient(error) or sqlstate == "42P05"
    assert not needs_operator(error)
    assert DatabaseUnavailable("redirect", "drill") == observation("redirect", error)


def test_a_connection_that_is_gone_is_unavailable() -> None:
    """An error without a code comes from libpq."""
    assert not needs_operator(psycopg.OperationalError("gone"))
