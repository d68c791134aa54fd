"""The oracle: whether every click is where it must be, by what a client saw and what is stored.

O1  no loss         the mark of every complete 302 is in outbox, clicks or dead_letters
O2  no double       each mark and each message_id stands once over the three
O3  no phantom      nothing is stored that no request can have left there
O4  rollup          clicks_hourly equals the clicks it sums up, hour by hour
O5  drained         nothing is left in the outbox
O6  dead letters    exactly the seeded ones, whole, after exactly the cap
O7  service         302s come again after a fault, no 5xx but 503: see tests.oracle.availability
O8  hygiene         no trace in a log: see tests.support.processes
O9  no zombie       no session idle in a transaction, no job that a dead relay still holds

Each check returns what is wrong, with examples; a finding of nothing is false. They look at a
database in which nothing moves any more: `load` reads it once, the checks compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Literal
from uuid import UUID

import psycopg

from service.contract import statements
from tests.oracle.exchange import Exchange, mark

_SQL = statements.load("tests.oracle")

EXAMPLES = 10

STALE = "35 seconds"
"""A job that was picked is given to another relay after 30 s without a heartbeat."""

Fate = Literal["dead", "counted"]
"""What must become of an event that was put into the outbox by hand."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found wrong: how many, and some of them."""

    check: str
    what: str
    number: int = 0
    examples: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.number > 0

    def __str__(self) -> str:
        told = "".join(f"\n    {example}" for example in self.examples)
        return f"{self.check} {self.what}: {self.number}{told}"


def wait_drained(connection: psycopg.Connection, within: float = 30.0) -> float:
    """Wait until the outbox is empty; return the seconds it took, or `within` when it is not."""
    began = monotonic()
    while (waited := monotonic() - began) < within:
        if connection.execute("SELECT NOT EXISTS (SELECT FROM outbox)").fetchall()[0][0]:
            return waited
        sleep(0.05)
    return within


def load(
    connection: psycopg.Connection,
    run: str,
    exchanges: Iterable[Exchange],
    seeded: Mapping[UUID, Fate] | None = None,
) -> None:
    """Bring what the client saw beside what is stored. Once for a connection."""
    for name in ("exchange_make", "seeded_make", "stored_make"):
        connection.execute(_SQL[name])
    with connection.cursor() as cursor:
        with cursor.copy("COPY exchange FROM STDIN") as copy:
            for each in exchanges:
                copy.write_row((each.number, each.kind, each.status))
        with cursor.copy("COPY seeded FROM STDIN") as copy:
            for row in (seeded or {}).items():
                copy.write_row(row)
    connection.execute(_SQL["stored_fill"], {"prefix": mark(run, 0).removesuffix("0")})
    connection.execute(_SQL["stored_index"])
    connection.execute("ANALYZE exchange, seeded, stored")


def lost(connection: psycopg.Connection) -> Finding:
    """O1: clicks that got a complete 302, or were seeded, and stand nowhere."""
    return _found(connection, "O1", "lost", "lost")


def doubled(connection: psycopg.Connection) -> Finding:
    """O2: marks and message ids that stand more than once."""
    return _found(connection, "O2", "doubled", "doubled")


def phantoms(connection: psycopg.Connection) -> Finding:
    """O3: events that no request can have left."""
    return _found(connection, "O3", "phantoms", "phantoms")


def rollup_differences(connection: psycopg.Connection) -> Finding:
    """O4: hours in which rollup and clicks differ."""
    return _found(connection, "O4", "rollup differences", "rollup_differences")


def undrained(connection: psycopg.Connection) -> Finding:
    """O5: events that are still in the outbox."""
    return _found(connection, "O5", "left in the outbox", "undrained")


def wrong_fates(connection: psycopg.Connection, cap: int) -> Finding:
    """O6: dead letters beyond the seeded ones, missing ones, and ones not whole after `cap` tries."""
    return _found(connection, "O6", "wrong fates", "wrong_fates", {"cap": cap})


def idle_transactions(connection: psycopg.Connection) -> Finding:
    """O9: sessions that sit in a transaction."""
    return _found(connection, "O9", "idle transactions", "idle_transactions")


def stuck_jobs(connection: psycopg.Connection) -> Finding:
    """O9: jobs that nobody is at work on although they are picked."""
    return _found(connection, "O9", "stuck jobs", "stuck_jobs", {"timeout": STALE})


def every(connection: psycopg.Connection, cap: int) -> list[Finding]:
    """Return what each check found, in order."""
    checks: tuple[Callable[[psycopg.Connection], Finding], ...] = (
        lost,
        doubled,
        phantoms,
        rollup_differences,
        undrained,
        lambda connection: wrong_fates(connection, cap),
        idle_transactions,
        stuck_jobs,
    )
    return [check(connection) for check in checks]


def _found(
    connection: psycopg.Connection,
    check: str,
    what: str,
    statement: str,
    given: Mapping[str, object] | None = None,
) -> Finding:
    # Always with values, so that a per cent sign is written the same way in all statements.
    rows = connection.execute(_SQL[statement], given or {}).fetchall()
    return Finding(check, what, len(rows), tuple(str(row[0]) for row in rows[:EXAMPLES]))
