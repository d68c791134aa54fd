"""Which database errors are the moment's fault and which are the event's."""

from __future__ import annotations

import psycopg

from service.contract.observations import DatabaseRefused, DatabaseUnavailable

_TRANSIENT_CLASSES = frozenset(
    {
        "08",  # connection exception
        "0A",  # a kept plan that does not fit its table any more
        "25",  # invalid transaction state: a primary turned read-only, a transaction timed out
        "26",  # a prepared statement that is somebody else's or gone
        "28",  # the role may not log in
        "3D",  # no database of this name
        "3F",  # no schema of this name
        "40",  # rollback: serialization failure, deadlock
        "42",  # a table or column missing: a deployment half done, never one click's fault
        "53",  # insufficient resources: disk full, too many connections
        "55",  # object not in the state needed: a lock not available
        "57",  # operator intervention: cancelled, shut down, starting up
        "58",  # system error: I/O
    }
)


def is_transient(error: psycopg.Error) -> bool:
    """Tell whether the same write may succeed later although nothing about the event changes.

    Such an error costs no event an attempt. Classes of PostgreSQL's Appendix A; an error without
    a code comes from libpq: the connection is gone.
    """
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate[:2] in _TRANSIENT_CLASSES


_OPERATOR_CLASSES = frozenset({"28", "3D", "3F", "42"})


def needs_operator(error: psycopg.Error) -> bool:
    """Return true if waiting does not fix the error: a privilege, table, column or function is missing.

    No event is at fault, so it costs no attempt; but a person has to change the database.
    """
    code = error.sqlstate
    return code is not None and code[:2] in _OPERATOR_CLASSES and not is_stale(error)


def observation(doing: str, error: psycopg.Error) -> DatabaseUnavailable | DatabaseRefused:
    """Return the observation for an error of the database that is no event's fault."""
    kind = DatabaseRefused if needs_operator(error) else DatabaseUnavailable
    return kind(doing, str(error).strip())


def is_stale(error: psycopg.Error) -> bool:
    """Tell whether another connection would do what this one cannot: it remembers what is no more.

    A prepared statement whose table was altered, or that a pooler in between has mixed up.
    """
    return error.sqlstate in {"0A000", "26000", "42P05"}


def is_drastic(error: psycopg.Error) -> bool:
    """Tell whether a smaller batch might have come through.

    It took too long, or waited too long for a lock, or took the connection with it.
    """
    return may_be_the_event(error) or isinstance(error, psycopg.errors.LockNotAvailable)


def may_be_the_event(error: psycopg.Error) -> bool:
    """Tell whether an event can do this by itself: use up the time, or end its worker."""
    return isinstance(error, psycopg.errors.QueryCanceled) or lost(error)


def lost(error: psycopg.Error) -> bool:
    """Tell whether the connection went with it: without a code, or shut down or crashed."""
    return error.sqlstate is None or error.sqlstate[:2] == "08" or error.sqlstate[:4] == "57P0"
