"""The database: which one it is, how to connect, and what it must guarantee before we trust it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from service.contract import statements
from service.contract.bounded import BoundedConnection
from service.contract.embedded import EmbeddedPostgres
from service.contract.pooler import pooler_notice
from service.contract.session import Session, session_configure
from service.contract.settings import ConfigurationError, Settings

SCHEMA_HEAD = "0003"
"""The revision of migrations/ that this code is written for; a test holds the two together."""

UNREADABLE = (
    "DATABASE_URL: cannot be read; it should look like postgresql://user:password@host:5432/name, "
    "with special characters percent-encoded."
)

_SQL = statements.load("service.contract")


class SchemaError(Exception):
    """The database is not at SCHEMA_HEAD; `found` is its revision, None when never migrated."""

    def __init__(self, found: str | None) -> None:
        what = f"at schema revision {found}" if found else "not migrated yet"
        self.found = found
        if self.newer:
            fix = "This code is older than the database: deploy the newer release."
        else:
            fix = "Run: python -m service migrate"
        super().__init__(f"The database is {what}, this code needs {SCHEMA_HEAD}. {fix}")

    @property
    def newer(self) -> bool:
        """Whether the database is ahead of this code."""
        return self.found is not None and self.found > SCHEMA_HEAD


class EncodingError(Exception):
    """The database cannot hold every letter: a click from another language would be refused."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The database's encoding is {found}, it must be UTF8. "
            "Make another one from template0, with UTF8 as its encoding."
        )


class DurabilityError(Exception):
    """A commit here would not be on disk when it is acknowledged; `faults` are whole sentences."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(
            "\n".join(faults) + "\nAn acknowledged click could be lost in a crash. "
            "Mend the server, or set ACCEPT_DATA_LOSS=true to accept the loss."
        )
        self.faults = faults


NOTHING: Session = {}


@dataclass(frozen=True, slots=True)
class Database:
    """An address that can be connected to. `where` says in words which database it is."""

    kind: Literal["url", "libpq", "embedded"]
    conninfo: str
    where: str
    psql: str

    def connect(self, application: str = "everyclick") -> psycopg.Connection:
        """Open one autocommit connection. Raises psycopg.OperationalError within about 3 s.

        It prepares no statement, pooler or not: it is for migrations, whose statements run once.
        """
        return psycopg.connect(self._conninfo(application), autocommit=True, prepare_threshold=None)

    async def aconnect(
        self,
        application: str = "everyclick",
        session: Session = NOTHING,
        *,
        patience: float | None = None,
    ) -> psycopg.AsyncConnection:
        """Open one autocommit connection. Raises psycopg.OperationalError within about 5 s.

        It prepares no statement when a pooler stands between, and has no settings of its own then.
        With `patience`, no later answer is waited for longer than so many seconds.
        """
        connection = await BoundedConnection.connect(self._conninfo(application), autocommit=True)
        try:
            await _settle(connection, session, patience)
        except BaseException:
            await connection.close()
            raise
        return connection

    def pool(
        self,
        application: str,
        *,
        size: int,
        waiting: int,
        session: Session = NOTHING,
        patience: float | None = None,
    ) -> AsyncConnectionPool:
        """Return a closed pool of at most `size` autocommit connections like those of `aconnect`.

        A caller waits at most 2 s for one; past `waiting` callers it fails at once. Both raise a
        subclass of psycopg.OperationalError.
        """
        pool = AsyncConnectionPool(
            self._conninfo(application),
            kwargs={"autocommit": True},
            connection_class=BoundedConnection,
            configure=partial(_settle, session=session, patience=patience),
            name=application,
            min_size=1,
            max_size=size,
            max_waiting=waiting,
            timeout=2.0,
            # After an outage try again at least every second or so: a redirect waits for this.
            reconnect_timeout=1.0,
            reconnect_failed=_try_again,
            open=False,
        )
        return cast("AsyncConnectionPool", pool)

    def _conninfo(self, application: str) -> str:
        given = conninfo_to_dict(self.conninfo)
        return make_conninfo(
            self.conninfo,
            application_name=given.get("application_name") or application,
            connect_timeout=given.get("connect_timeout") or 2,
            # A server whose machine is gone is noticed within half a minute, not a quarter of an hour.
            keepalives_idle=given.get("keepalives_idle") or 10,
            keepalives_interval=given.get("keepalives_interval") or 5,
            keepalives_count=given.get("keepalives_count") or 3,
            tcp_user_timeout=given.get("tcp_user_timeout") or 25_000,
            # Whatever PGCLIENTENCODING or the role says: links and clicks are any language's.
            client_encoding="utf8",
        )


async def _settle(connection: BoundedConnection, session: Session, patience: float | None) -> None:
    await pooler_notice(connection)
    await session_configure(connection, session)
    connection.patience = patience


async def _try_again(pool: AsyncConnectionPool) -> None:
    # The pool gives up here, and begins anew only for a caller it lets wait. Callers that gave up
    # stay in its queue until a connection comes: once that is full, it would never begin anew.
    await pool.check()


@contextmanager
def database(settings: Settings, say: Callable[[str], None]) -> Iterator[Database]:
    """Yield the database to use: DATABASE_URL, else PG*, else the embedded one, started if need be.

    `say` gets progress in words. Raises EmbeddedPostgresError when the embedded one cannot run,
    ConfigurationError when DATABASE_URL cannot be read.
    """
    if settings.database_url:
        # libpq reads both spellings of the scheme.
        try:
            where = _where(settings.database_url)
        except psycopg.ProgrammingError:
            # libpq's own words quote the URL, the password with it.
            raise ConfigurationError([UNREADABLE]) from None
        yield Database("url", settings.database_url, where, 'psql "$DATABASE_URL"')
    elif os.environ.get("PGHOST") or os.environ.get("PGDATABASE"):
        yield Database("libpq", "", _where(""), "psql")
    else:
        with EmbeddedPostgres(settings.data_dir, say=say) as embedded:
            psql = f'{embedded.bin_dir / "psql"} "{embedded.conninfo}"'
            where = f"embedded Postgres, data in {settings.data_dir.resolve()}"
            yield Database("embedded", embedded.conninfo, where, psql)


def _where(conninfo: str) -> str:
    # Never the password: only what tells one database from another.
    given = conninfo_to_dict(conninfo)
    host = given.get("host") or os.environ.get("PGHOST") or "local socket"
    port = given.get("port") or os.environ.get("PGPORT") or "5432"
    name = given.get("dbname") or os.environ.get("PGDATABASE") or given.get("user") or "default"
    return f"Postgres at {host}:{port}, database {name}"


async def schema_check(connection: psycopg.AsyncConnection) -> None:
    """Raise SchemaError unless the database is at SCHEMA_HEAD."""
    try:
        cursor = await connection.execute(_SQL["schema_check"])
    except psycopg.errors.UndefinedTable:
        raise SchemaError(None) from None
    row = await cursor.fetchone()
    found = None if row is None else str(row[0])
    if found != SCHEMA_HEAD:
        raise SchemaError(found)


async def schema_serves(connection: psycopg.AsyncConnection) -> None:
    """Raise SchemaError unless code that runs already may go on with this database.

    It may with a newer one: a release migrates before its code comes, and what that adds leaves
    room for the code that is to go.
    """
    try:
        await schema_check(connection)
    except SchemaError as error:
        if not error.newer:
            raise


async def encoding_check(connection: psycopg.AsyncConnection) -> None:
    """Raise EncodingError unless the database can hold every letter."""
    found = connection.info.parameter_status("server_encoding")
    if found != "UTF8":
        raise EncodingError(str(found))


async def durability_check(connection: psycopg.AsyncConnection) -> None:
    """Raise DurabilityError when an acknowledged commit might not survive a crash."""
    cursor = await connection.execute(_SQL["durability_check"])
    faults = [str(fault) for (fault,) in await cursor.fetchall()]
    if faults:
        raise DurabilityError(faults)
