"""Several servers behind one connection string: one is silent, refuses, or is read-only."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from service import readiness
from service.contract import servers
from service.contract.postgres import Database
from service.contract.servers import Servers
from service.readiness import Readiness
from tests.support.ledger import until
from tests.support.proxy import proxied

PATIENT = 60
"""connect_timeout: whoever waits for a silent server's whole time fails the test by WITHIN."""

WITHIN = 20.0


@contextmanager
def dropping() -> Iterator[int]:
    """A port whose SYNs are dropped: its queue of connections is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        held = []
        try:
            for _ in range(4):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(address)
                held.append(client)
            yield address[1]
        finally:
            for client in held:
                client.close()


@contextmanager
def refusing() -> Iterator[int]:
    """A port that refuses: it is bound, and nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


class Silent:
    """A server that accepts and never answers."""

    def __init__(self) -> None:
        self.accepted = 0
        self.handlers: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear the client out and say nothing."""
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self.handlers.add(task)
        with suppress(OSError):
            while await reader.read(1024):
                pass
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def end(self) -> None:
        """Wait until its clients have gone, as they do when they give it up."""
        async with asyncio.timeout(WITHIN):
            await asyncio.gather(*self.handlers)


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[Silent, int]]:
    """Yield one, and its port."""
    made = Silent()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await made.end()


def port_of(database: Database) -> int:
    """The port its server listens on."""
    return int(str(conninfo_to_dict(database.conninfo)["port"]))


def hosts(database: Database, *ports: int, **options: str) -> Database:
    """The database, its server to be looked for at these ports in this order."""
    conninfo = make_conninfo(
        database.conninfo,
        host=",".join(["127.0.0.1"] * len(ports)),
        port=",".join(map(str, ports)),
        connect_timeout=PATIENT,
        **options,
    )
    return replace(database, conninfo=conninfo, servers=Servers())


async def test_a_silent_server_is_passed_over(database: Database) -> None:
    """Every kind of connection finds the second server long before the first one's time is over."""
    async with proxied(database) as (_, near), silent() as (first, port):
        several = hosts(near, port, port_of(near), target_session_attrs="read-write")
        async with asyncio.timeout(WITHIN), await several.aconnect() as connection:
            await connection.execute("SELECT 1")
        assert 1 == first.accepted


async def test_the_server_that_was_used_is_tried_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a connection has found it, all others go there at once: the pool's, the probe's."""
    async with proxied(database) as (_, near), silent() as (first, port):
        several = hosts(near, port, port_of(near))
        await (await several.aconnect()).close()
        monkeypatch.setattr(servers, "HEAD_START", PATIENT)  # however slow this machine is
        for _ in range(3):
            await (await several.aconnect()).close()
        monkeypatch.setattr(readiness, "PATIENCE", WITHIN)
        await Readiness(several).probe()
        async with (
            several.pool("everyclick-test", size=2, waiting=2) as pool,
            pool.connection(WITHIN) as connection,
        ):
            await connection.execute("SELECT 1")
        assert 1 == first.accepted


async def test_the_pool_and_the_probe_find_it_by_themselves(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither needs another connection to have found it before."""
    monkeypatch.setattr(readiness, "PATIENCE", WITHIN)  # as long as this machine may need
    async with proxied(database) as (_, near), silent() as (_, port):
        await Readiness(hosts(near, port, port_of(near))).probe()
        several = hosts(near, port, port_of(near))
        async with (
            several.pool("everyclick-test", size=2, waiting=2) as pool,
            pool.connection(WITHIN) as connection,
        ):
            await connection.execute("SELECT 1")


async def test_dropped_and_refused(database: Database) -> None:
    """Neither a server whose packets are dropped nor one that refuses holds up the next one."""
    async with proxied(database) as (_, near):
        with dropping() as first, refusing() as second:
            several = hosts(near, first, second, port_of(near))
            async with asyncio.timeout(WITHIN), await several.aconnect() as connection:
                await connection.execute("SELECT 1")


async def test_a_read_only_server_is_passed_over(
    db: AsyncConnection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without target_session_attrs too: where there are several, one that accepts writes is meant.

    Each proxy leads to a database of its own, as to a server of its own: the first is read-only.
    """
    monkeypatch.setattr(servers, "HEAD_START", PATIENT)
    name = conninfo_to_dict(database.conninfo)["dbname"]
    await db.execute(f'CREATE DATABASE "{name}_ro" TEMPLATE template0'.encode())
    await db.execute(f'ALTER DATABASE "{name}_ro" SET default_transaction_read_only = on'.encode())
    try:
        async with proxied(database) as (_, near):
            port = port_of(near)
            several = Servers()
            tried: list[str] = []

            async def connect(conninfo: str) -> AsyncConnection:
                tried.append(conninfo)
                to = f"{name}_ro" if len(tried) == 1 else name
                return await AsyncConnection.connect(make_conninfo(conninfo, dbname=to))

            conninfo = hosts(near, port, port).conninfo
            async with await several.connect(conninfo, connect) as connection:
                assert name == connection.info.dbname
            tried.clear()
            conninfo = make_conninfo(conninfo, target_session_attrs="any")
            async with await several.connect(conninfo, connect) as connection:
                assert f"{name}_ro" == connection.info.dbname
    finally:
        await db.execute(f'DROP DATABASE "{name}_ro" WITH (FORCE)'.encode())


async def test_none_can_be_used(database: Database) -> None:
    """The error names each server and what was wrong with it; nothing is left open."""
    with (
        refusing() as first,
        refusing() as second,
        pytest.raises(psycopg.OperationalError, match="no server can be used") as raised,
    ):
        await hosts(database, first, second).aconnect()
    assert f"127.0.0.1, port {first}: " in str(raised.value)
    assert f"127.0.0.1, port {second}: " in str(raised.value)


async def test_a_caller_that_gives_up(database: Database) -> None:
    """Cancelled while servers are tried, it lets go of all of them at once."""
    async with silent() as (first, one), silent() as (second, two):
        connecting = asyncio.create_task(hosts(database, one, two).aconnect())

        async def both_tried() -> bool:
            return second.accepted > 0

        await until(both_tried)
        assert 1 == first.accepted
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(WITHIN):
                await connecting


async def test_two_that_answer_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection is used, the other is closed."""
    monkeypatch.setattr(servers, "HEAD_START", 0.0)
    made: list[AsyncConnection] = []
    both = asyncio.Event()

    async def connect(conninfo: str) -> AsyncConnection:
        connection = await AsyncConnection.connect(conninfo)
        made.append(connection)
        if len(made) == 2:
            both.set()
        await both.wait()
        return connection

    async with proxied(database) as (_, near):
        port = port_of(near)
        async with await Servers().connect(hosts(near, port, port).conninfo, connect) as used:
            await asyncio.sleep(0)
            assert [used] == [each for each in made if not each.closed]


async def test_a_name_with_several_addresses(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each address that a name has is a server; the name need not be given twice."""
    async with proxied(database) as (_, near), silent() as (first, _):
        port = port_of(near)
        other = await asyncio.start_server(first.serve, "127.0.0.2", port)
        loop = asyncio.get_running_loop()

        async def addresses(*_: object, **__: object) -> list[object]:
            return [(2, 1, 6, "", (each, port)) for each in ("127.0.0.2", "127.0.0.1")]

        monkeypatch.setattr(loop, "getaddrinfo", addresses, raising=False)
        conninfo = make_conninfo(near.conninfo, host="db.example", connect_timeout=PATIENT)
        named = replace(near, conninfo=conninfo, servers=Servers())
        async with asyncio.timeout(WITHIN), await named.aconnect() as connection:
            assert "127.0.0.1" == connection.info.hostaddr
        monkeypatch.setattr(servers, "HEAD_START", PATIENT)
        await (await named.aconnect()).close()
        assert 1 == first.accepted
        other.close()


async def test_names_that_are_not_resolved(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that does not answer is an error like any other."""
    monkeypatch.setattr(servers, "RESOLVE_SECONDS", 0.05)

    async def never(*_: object, **__: object) -> list[object]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never, raising=False)
    conninfo = make_conninfo(database.conninfo, host="db.example", port=5432)
    with pytest.raises(psycopg.OperationalError, match="not resolved within"):
        await replace(database, conninfo=conninfo, servers=Servers()).aconnect()


async def test_libpqs_variables(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGHOST=a,b and PGPORT=1,2 are several servers as well, and PGTARGETSESSIONATTRS holds."""
    given = conninfo_to_dict(database.conninfo)
    with refusing() as first:
        async with proxied(database) as (_, near):
            monkeypatch.setenv("PGHOST", "127.0.0.1,127.0.0.1")
            monkeypatch.setenv("PGPORT", f"{first},{port_of(near)}")
            monkeypatch.setenv("PGDATABASE", str(given["dbname"]))
            monkeypatch.setenv("PGUSER", str(given["user"]))
            libpq = Database("libpq", "", "", "psql")
            async with await libpq.aconnect() as connection:
                await connection.execute("SELECT 1")
            monkeypatch.setenv("PGTARGETSESSIONATTRS", "standby")
            with pytest.raises(psycopg.OperationalError, match="not in hot standby mode"):
                await Database("libpq", "", "", "psql").aconnect()


def test_migrations_find_it_too(database: Database, tmp_path: Path) -> None:
    """The plain connection of migrations tries one after another, each for its connect_timeout."""
    given = conninfo_to_dict(database.conninfo)
    with refusing() as first:
        host, port = given["host"], given.get("port", 5432)
        conninfo = make_conninfo(
            database.conninfo, host=f"127.0.0.1,{host}", port=f"{first},{port}"
        )
        with replace(database, conninfo=conninfo, servers=Servers()).connect() as connection:
            connection.execute("SELECT 1")
