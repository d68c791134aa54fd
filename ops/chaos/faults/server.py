"""The server is up and of no use: full, locked, read-only, impatient, or held back by a snapshot."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import psycopg

from ops.chaos.cluster import RELAY_ROLE
from ops.chaos.fault import Fault
from ops.chaos.faults.sessions import sessions
from ops.chaos.scene import Scene

END_SERVICE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND starts_with(application_name, 'everyclick-service')"
)


class Storm(Fault):
    """Every connection that Postgres allows is taken, and whatever becomes free is taken too."""

    name = "all connections taken"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._held: list[psycopg.AsyncConnection] = []
        self._full = asyncio.Event()
        self._filling: asyncio.Task[None] | None = None

    async def inject(self) -> None:
        self._full.clear()
        self._filling = asyncio.create_task(self._fill())
        await self._full.wait()
        # What the service has keeps it going; without that it has to come through the storm.
        await self._held[0].execute(END_SERVICE.encode())

    async def heal(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            with suppress(asyncio.CancelledError):
                await self._filling
        held, self._held = self._held, []
        for connection in held:
            await connection.close()

    async def _fill(self) -> None:
        while True:
            try:
                self._held.append(await self.scene.database.aconnect("everyclick-storm"))
            except psycopg.OperationalError:
                self._full.set()
                await asyncio.sleep(0.001)


class _Held(Fault):
    """A transaction stays open until healed."""

    statements: tuple[str, ...]

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._connection: psycopg.AsyncConnection | None = None

    async def inject(self) -> None:
        self._connection = await self.scene.database.aconnect("everyclick-holder")
        for statement in self.statements:
            await self._connection.execute(statement.encode())

    async def heal(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class Locked(_Held):
    """Nobody may even read the links."""

    name = "table links locked"
    statements = ("BEGIN", "LOCK TABLE links IN ACCESS EXCLUSIVE MODE")


class OutboxLocked(_Held):
    """Nobody may write or read the outbox."""

    name = "table outbox locked"
    statements = ("BEGIN", "LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")


class Snapshot(_Held):
    """An old snapshot keeps every dead row, and its transaction has an id of its own."""

    name = "snapshot held"
    statements = (
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "SELECT pg_current_xact_id()",
        "SELECT count(*) FROM outbox",
    )


class Migration(_Held):
    """ALTER TABLE links waits behind somebody who reads, and all redirects behind it.

    When the reader ends it is carried out: statements that are prepared meet a changed table.
    """

    name = "ALTER TABLE behind a reader"
    statements = ("BEGIN", "SELECT count(*) FROM links")

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._altering: asyncio.Task[object] | None = None

    async def inject(self) -> None:
        await super().inject()
        statement = f"ALTER TABLE links ADD COLUMN chaos_{self.times} integer"
        self._altering = asyncio.create_task(self.scene.execute(statement))

    async def heal(self) -> None:
        await super().heal()
        if self._altering is not None:
            await self._altering


class ReadOnly(Fault):
    """The primary takes no writes, as after a demotion."""

    name = "primary read-only"

    async def inject(self) -> None:
        await self._set("ALTER SYSTEM SET default_transaction_read_only = on")

    async def heal(self) -> None:
        await self._set("ALTER SYSTEM RESET default_transaction_read_only")

    async def _set(self, statement: str) -> None:
        async with await self.scene.cluster.database.aconnect("everyclick-chaos") as connection:
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute(statement.encode())
            await connection.execute("SELECT pg_reload_conf()")


class CommitsNotDurable(Fault):
    """synchronous_commit is turned off by a reload, the log is flushed late, the server is killed."""

    name = "synchronous_commit off, then a crash"

    async def inject(self) -> None:
        await self._set("SET synchronous_commit = off", "SET wal_writer_delay = '10s'")

    async def heal(self) -> None:
        await asyncio.to_thread(self.scene.cluster.stop, "killed")
        await asyncio.to_thread(self.scene.cluster.start)
        await self._set("RESET synchronous_commit", "RESET wal_writer_delay")

    async def _set(self, *changes: str) -> None:
        async with await self.scene.cluster.database.aconnect("everyclick-chaos") as connection:
            for change in changes:
                await connection.execute(f"ALTER SYSTEM {change}".encode())
            await connection.execute("SELECT pg_reload_conf()")


class DatabaseClock(Fault):
    """Clicks get the times of a clock that is far ahead, until it is set back.

    The machine's clock is not ours to set: the outbox's defaults are, which take the time from it.
    """

    name = "the database's clock ahead"

    def __init__(self, scene: Scene, *, days: int) -> None:
        super().__init__(scene)
        self.days = days

    async def inject(self) -> None:
        await self._set(f"now() + interval '{self.days} days'")

    async def heal(self) -> None:
        await self._set("now()")

    async def _set(self, now: str) -> None:
        async with await self.scene.database.aconnect("everyclick-chaos") as connection:
            await connection.execute(
                f"ALTER TABLE outbox ALTER occurred_at SET DEFAULT {now},"
                f" ALTER available_at SET DEFAULT {now}".encode()
            )


class Impatient(Fault):
    """The relay's role gets a statement_timeout that a large batch does not meet."""

    name = "statement_timeout on the relay"

    def __init__(self, scene: Scene, *, milliseconds: int) -> None:
        super().__init__(scene)
        self.milliseconds = milliseconds

    async def inject(self) -> None:
        await self._set(f"ALTER ROLE {RELAY_ROLE} SET statement_timeout = {self.milliseconds}")

    async def heal(self) -> None:
        await self._set(f"ALTER ROLE {RELAY_ROLE} RESET statement_timeout")

    async def _set(self, statement: str) -> None:
        await self.scene.execute(statement)
        # It is for sessions that begin from here on.
        for pid in await sessions(self.scene, "relay"):
            await self.scene.execute("SELECT pg_terminate_backend(%(pid)s)", {"pid": pid})
