"""The database: which one it is, and how to connect."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, cast
from weakref import WeakSet

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from service.contract.bounded import BoundedConnection, answering_within
from service.contract.embedded import EmbeddedPostgres
from service.contract.pooler import PATIENCE, behind_pooler, pooler_notice
from service.contract.servers import Servers
from service.contract.session import DURABLE, Session, session_configure
from service.contract.settings import ConfigurationError, Settings

UNREADABLE = (
    "DATABASE_URL: cannot be read; it should look like postgresql://user:password@host:5432/name, "
    "with special characters percent-encoded."
)

NOTHING: Session = {}


@dataclass(frozen=True, slots=True)
class Database:
    """An address that can be connected to. `where` says in words which database it is.

    Each connect has 2 s for each host, or what the address says by connect_timeout.
    """

    kind: Literal["url", "libpq", "embedded"]
    conninfo: str
    where: str
    psql: str
    durable: bool = True
    """Whether commits are durable whatever the server's synchronous_commit is."""
    servers: Servers = field(default_factory=Servers, repr=False, compare=False)

    @property
    def address(self) -> str:
        """HOST:PORT/NAME, for programs: which database it is, without user and password."""
        host, port, name = _place(self.conninfo)
        return f"{host}:{port}/{name}"

    def connect(self, application: str = "everyclick") -> psycopg.Connection:
        """Open one autocommit connection. Raises psycopg.OperationalError within about 3 s per host.

        It prepares no statement, pooler or not: it is for migrations, whose statements run once.
        """
        return psycopg.connect(self._conninfo(application), autocommit=True, prepare_threshold=None)

    async def aconnect(
        self,
        application: str = "everyclick",
        session: Session = NOTHING,
        *,
        patience: float | None = None,
    ) -> BoundedConnection:
        """Open one autocommit connection. Raises psycopg.OperationalError within about 5 s.

        It prepares no statement when a pooler stands between, and has no settings of its own then.
        With `patience`, no later answer is waited for longer than so many seconds.
        """
        connection = await BoundedConnection.connect(
            self._conninfo(application), servers=self.servers, autocommit=True
        )
        try:
            await self._settle(connection, session=session, patience=patience)
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
        made: WeakSet[BoundedConnection] | None = None,
    ) -> AsyncConnectionPool:
        """Return a closed pool of at most `size` autocommit connections like those of `aconnect`.

        `made` gets each connection, in use or not, so that all can be cut at once. A caller waits at most 2 s for one; past `waiting` callers it fails at once. Both raise a
        subclass of psycopg.OperationalError.
        """
        pool = AsyncConnectionPool(
            self._conninfo(application),
            kwargs={"autocommit": True, "servers": self.servers},
            connection_class=BoundedConnection,
            configure=partial(self._settle, session=session, patience=patience, made=made),
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

    async def _settle(
        self,
        connection: BoundedConnection,
        *,
        session: Session,
        patience: float | None,
        made: WeakSet[BoundedConnection] | None = None,
    ) -> None:
        if made is not None:
            made.add(connection)
        # Whatever the server's default: after the wait for a lock it must be seen what others did.
        await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
        durable = DURABLE if self.durable else NOTHING
        with answering_within(connection, PATIENCE):
            await pooler_notice(connection)
            await session_configure(connection, {**session, **durable})
        connection.durable_transactions = self.durable and behind_pooler(connection)
        connection.patience = patience

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


async def _try_again(pool: AsyncConnectionPool) -> None:
    # The pool gives up here, and begins anew only for a caller it lets wait. Callers that gave up
    # stay in its queue until a connection comes: once that is full, it would never begin anew.
    await pool.check()


def is_embedded(settings: Settings) -> bool:
    """Whether the database is the embedded one: neither DATABASE_URL nor PG* names another."""
    named = settings.database_url or os.environ.get("PGHOST") or os.environ.get("PGDATABASE")
    return not named


@contextmanager
def database(settings: Settings, say: Callable[[str], None]) -> Iterator[Database]:
    """Yield the database to use: DATABASE_URL, else PG*, else the embedded one, started if need be.

    `say` gets progress in words. Raises EmbeddedPostgresError when the embedded one cannot run,
    ConfigurationError when DATABASE_URL cannot be read.
    """
    durable = not settings.accept_data_loss
    if settings.database_url:
        # libpq reads both spellings of the scheme.
        try:
            where = _where(settings.database_url)
        except psycopg.ProgrammingError:
            # libpq's own words quote the URL, the password with it.
            raise ConfigurationError([UNREADABLE]) from None
        yield Database("url", settings.database_url, where, 'psql "$DATABASE_URL"', durable)
    elif os.environ.get("PGHOST") or os.environ.get("PGDATABASE"):
        yield Database("libpq", "", _where(""), "psql", durable)
    else:
        with EmbeddedPostgres(settings.data_dir, say=say) as embedded:
            psql = f'{embedded.bin_dir / "psql"} "{embedded.conninfo}"'
            where = f"embedded Postgres, data in {settings.data_dir.resolve()}"
            yield Database("embedded", embedded.conninfo, where, psql, durable)


def _where(conninfo: str) -> str:
    host, port, name = _place(conninfo)
    return f"Postgres at {host or 'local socket'}:{port}, database {name or 'default'}"


def _place(conninfo: str) -> tuple[str, str, str]:
    # Never the password: only what tells one database from another.
    given = conninfo_to_dict(conninfo)
    host = given.get("host") or os.environ.get("PGHOST") or ""
    port = given.get("port") or os.environ.get("PGPORT") or "5432"
    name = given.get("dbname") or os.environ.get("PGDATABASE") or given.get("user") or ""
    return str(host), str(port), str(name)
