"""The stage: the Postgres that everything is measured on, and what stands in its tables."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row

import migrations
from ops import smoke
from ops.bench.errors import BenchError, ClicksLost
from service.contract import statements
from service.contract.embedded import EmbeddedPostgres
from service.contract.postgres import Database

SQL = statements.load("ops.bench")

REFERRER = "https://news.example.org/2026/an-article-that-links-to-us"
USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
HEADERS = {"Referer": REFERRER, "User-Agent": USER_AGENT}
"""What browsers send and the service stores; the bare route gets to parse them too."""

LINKS = 1000
"""Links that redirects are spread over, one after another: each batch then looks up many."""

QUIET_LOOKS = 5
"""Looks, one after another, that must find no session at work before tables are emptied."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where the clicks stand."""

    waiting: int
    clicks: int
    rollup: int
    dead: int


@dataclass(frozen=True, slots=True)
class Counters:
    """What the server has counted since its start; `wal` in bytes."""

    commits: int
    deadlocks: int
    wal: float


class Stage:
    """The database, for one measurement after another. `directory` is for temporary files."""

    def __init__(self, postgres: EmbeddedPostgres, directory: Path) -> None:
        self.directory = directory
        self.bin_dir = postgres.bin_dir
        self.database = Database("embedded", postgres.conninfo, "", "")
        self._key = secrets.token_hex(32)

    def connect(self) -> psycopg.Connection:
        """Open an autocommit connection; nothing on it waits or works for ever."""
        connection = self.database.connect("everyclick-bench")
        connection.execute("SET lock_timeout = '60s'")
        connection.execute("SET statement_timeout = '30min'")
        return connection

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a process: this database, free ports, little said."""
        given = {name: str(part) for name, part in conninfo_to_dict(self.database.conninfo).items()}
        url = (
            f"postgresql://{given['user']}@/{given['dbname']}"
            f"?host={quote(given['host'], safe='')}&port={given['port']}"
        )
        return {
            **smoke.environment(self.directory / "unused"),
            "DATABASE_URL": url,
            "SECRET_KEY": self._key,
            "LOG_LEVEL": "warning",
            **more,
        }

    def reset(self, links: int = LINKS) -> None:
        """Empty the tables, put so many links in, and leave nothing for a checkpoint to do."""
        with self.connect() as connection:
            self._wait_quiet(connection)
            connection.execute(SQL["stage_clear"])
            connection.execute(SQL["stage_partitions"], {"months_back": 0})
            connection.execute(SQL["stage_links"], {"links": links})
            connection.execute("VACUUM ANALYZE links")
            connection.execute("CHECKPOINT")

    def _wait_quiet(self, connection: psycopg.Connection, within: float = 10.0) -> None:
        """Wait for the requests that the load generator has turned its back on.

        A click of theirs in the next measurement's tables could stand in for one that was lost.
        """
        deadline = time.monotonic() + within
        quiet = 0
        while quiet < QUIET_LOOKS:
            busy = connection.execute(SQL["stage_busy"]).fetchall()[0][0]
            quiet = 0 if busy else quiet + 1
            if time.monotonic() > deadline:
                raise BenchError(f"After {within:g} s there still are {busy} sessions at work.")
            time.sleep(0.02)

    def backlog(self, events: int, links: int, *, settled: bool = True) -> None:
        """Put events into the outbox, of `links` links that are there already.

        A settled one has been analyzed and checkpointed; the other is there at once.
        """
        self._fill(SQL["stage_backlog"], events, links, settled=settled)

    def poison(self, events: int, links: int) -> None:
        """Put as many events in, and as many again that `refusing` refuses, well mixed."""
        self._fill(SQL["stage_poison"], events, links, settled=True)

    def _fill(self, statement: LiteralString, events: int, links: int, *, settled: bool) -> None:
        with self.connect() as connection:
            connection.execute(
                statement,
                {
                    "events": events,
                    "links": links,
                    "referrer": REFERRER,
                    "user_agent": USER_AGENT,
                },
            )
            if settled:
                connection.execute("ANALYZE outbox")
                connection.execute("CHECKPOINT")

    @contextmanager
    def refusing(self, statement: LiteralString) -> Iterator[None]:
        """Let Postgres refuse some clicks, by what the statement makes."""
        with self.connect() as connection:
            connection.execute(statement)
            try:
                yield
            finally:
                connection.execute(SQL["stage_antidote"])

    def found(self) -> Found:
        """Count the clicks."""
        with self.connect() as connection:
            cursor = connection.cursor(row_factory=class_row(Found))
            return cursor.execute(SQL["stage_found"]).fetchall()[0]

    def verify(self, acknowledged: int, under_way: int) -> Found:
        """Look that as many clicks stand as were acknowledged, and no more than were asked for.

        `under_way` is how many requests may have been cut off when the load ended. Raises
        ClicksLost, or BenchError when there are too many.
        """
        found = self.found()
        stand = found.waiting + found.clicks
        if stand < acknowledged:
            raise ClicksLost(acknowledged, stand)
        if stand > acknowledged + under_way:
            raise BenchError(f"{acknowledged} redirects were answered, but {stand} clicks stand.")
        return found

    def verify_moved(self, events: int) -> None:
        """Raises ClicksLost, or BenchError, unless exactly these events became clicks, all counted."""
        found = self.found()
        if found.clicks + found.waiting < events:
            raise ClicksLost(events, found.clicks + found.waiting)
        if found != Found(waiting=0, clicks=events, rollup=events, dead=0):
            raise BenchError(f"{events} events should have become as many clicks: {found}.")

    def counters(self) -> Counters:
        """Read the server's counters."""
        with self.connect() as connection:
            cursor = connection.cursor(row_factory=class_row(Counters))
            return cursor.execute(SQL["stage_counters"]).fetchall()[0]

    def dead_tuples(self) -> int:
        """Return the server's estimate of dead rows in the outbox."""
        with self.connect() as connection:
            return int(connection.execute(SQL["stage_dead_tuples"]).fetchall()[0][0])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep everybody else from the outbox."""
        with self.connect() as lock, lock.transaction():
            lock.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
            yield

    def wait_locked_out(self, sessions: int, within: float = 60.0) -> None:
        """Wait until so many sessions wait for the outbox. Raises BenchError."""
        deadline = time.monotonic() + within
        # One transaction for all the looks: commits are counted elsewhere.
        with self.connect() as look, look.transaction():
            while look.execute(SQL["stage_locked_out"]).fetchall()[0][0] < sessions:
                if time.monotonic() > deadline:
                    raise BenchError(f"Of {sessions} relays not all began in {within:g} s.")
                time.sleep(0.01)


@contextmanager
def stage(parent: Path) -> Iterator[Stage]:
    """Make a cluster below `parent`, migrated; stop it and remove all of it at the end."""
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="everyclick-bench-", dir=parent))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        postgres = EmbeddedPostgres(directory / "data", say=lambda _: None)
        stack.callback(postgres.stop)
        postgres.start()
        made = Stage(postgres, directory)
        migrations.upgrade(made.database.connect)
        yield made
