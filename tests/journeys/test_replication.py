"""With a synchronous standby, what is acknowledged is on both disks, whatever ends the wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from ops.chaos.cluster import Cluster
from relay import session
from relay.mover import Mover, Policy
from relay.settlement import Terms
from service.contract.events import Click, MessageId, new_message_id
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.errors import Unavailable
from service.recorder import Limits, Recorder
from tests.support import replicas
from tests.support.bouncer import bounced
from tests.support.ledger import first, message_ids, until

RELAY_WAITS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'everyclick-relay' AND wait_event = 'SyncRep'"
)
WAITING = " FROM pg_stat_activity WHERE application_name = 'everyclick-service' AND wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def primary() -> Iterator[Cluster]:
    """A migrated server of the module's own."""
    with replicas.primary() as made:
        with made.database.connect() as admin:
            admin.execute(
                "INSERT INTO links (code, target) VALUES ('hello', 'https://example.com/')"
            )
        yield made


@pytest.fixture
def standby(primary: Cluster) -> Iterator[Cluster]:
    """Its synchronous standby."""
    with replicas.standby(primary) as made:
        yield made


async def vet(_: AsyncConnection) -> None:
    """Every connection is good."""


@asynccontextmanager
async def recording(database: Database, limits: Limits) -> AsyncIterator[Recorder]:
    """Yield a recorder with these limits."""
    observed: list[Observation] = []
    recorder = Recorder(database, observed.append, vet, limits)
    try:
        yield recorder
    finally:
        await recorder.close()


async def waiting(primary: Cluster) -> int:
    """How many backends of the service wait for the standby."""
    async with await primary.database.aconnect("everyclick-test") as connection:
        return await first(await connection.execute(f"SELECT count(*) {WAITING}".encode()))


def click() -> Click:
    """A click of a browser that says nothing about itself."""
    return Click(new_message_id(), None, None)


async def ended(primary: Cluster, function: str) -> None:
    """Apply a function of Postgres to each backend that waits."""
    async with await primary.database.aconnect("everyclick-test") as connection:
        await connection.execute(f"SELECT {function}(pid) {WAITING}".encode())


async def crashed(primary: Cluster) -> None:
    """Kill a backend that waits: the server recovers, with what it had committed."""
    async with await primary.database.aconnect("everyclick-test") as connection:
        cursor = await connection.execute(f"SELECT pid {WAITING} LIMIT 1".encode())
        for (pid,) in await cursor.fetchall():
            primary.kill(pid)


Disturb = Callable[[Cluster], Awaitable[object]]

WAYS: dict[str, Disturb] = {
    "terminate": partial(ended, function="pg_terminate_backend"),
    "cancel": partial(ended, function="pg_cancel_backend"),
    "crash": crashed,
}


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_acknowledged_is_on_the_standby(
    primary: Cluster, standby: Cluster, way: str, lanes: int
) -> None:
    """While the standby is silent no click is acknowledged, however often the waits are ended:
    promoted, it has every one that ever was.
    """
    sent: dict[MessageId, asyncio.Task[object]] = {}

    def visit(recorder: Recorder) -> None:
        new = click()
        sent[new.message_id] = asyncio.create_task(recorder.record("hello", new))

    async def answered() -> bool:
        with suppress(psycopg.OperationalError):  # it is recovering
            await WAYS[way](primary)
        return all(task.done() for task in sent.values())

    limits = Limits(lanes=lanes, overlap=0.0, batch=4, deadline=1.5)
    async with recording(primary.database, limits) as recorder:
        for _ in range(40):
            visit(recorder)
        await asyncio.gather(*sent.values())
        standby.freeze()
        for _ in range(40):
            visit(recorder)
        await until(answered, within=60.0)
        answers = await asyncio.gather(*sent.values(), return_exceptions=True)
    await asyncio.to_thread(standby.cut_off)
    await asyncio.to_thread(standby.promote)
    acknowledged = {
        message_id
        for message_id, answer in zip(sent, answers, strict=True)
        if not isinstance(answer, Unavailable)
    }
    async with await standby.database.aconnect() as promoted:
        held = await message_ids(promoted, "outbox")
    assert (40, 0) == (len(acknowledged), len(acknowledged - held))


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
async def test_no_backend_is_left_behind(
    primary: Cluster, standby: Cluster, *, pooled: bool
) -> None:
    """While the standby is away redirects are given up again and again; the server has a backend for
    each lane, and one more for each that is being replaced. Back again, so are redirects.
    """
    limits = Limits(lanes=3, overlap=0.0, deadline=0.4)
    with bounced(primary.database, 20) if pooled else nullcontext() as bouncer:
        database = primary.database if bouncer is None else bouncer.database
        async with recording(database, limits) as recorder:
            standby.freeze()
            given_up, most = 0, 0
            for _ in range(14):
                visits = [asyncio.create_task(recorder.record("hello", click())) for _ in range(6)]
                answers = await asyncio.gather(*visits, return_exceptions=True)
                given_up += sum(isinstance(answer, Unavailable) for answer in answers)
                most = max(most, await waiting(primary))
            standby.thaw()

            async def back() -> bool:
                with suppress(Unavailable):
                    return None is not await recorder.record("hello", click())
                return False

            await until(back)
    assert (84, True) == (given_up, most <= 6)


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
async def test_an_answer_out_of_time_leaves_no_backend(
    primary: Cluster, standby: Cluster, *, pooled: bool
) -> None:
    """A COMMIT that is waited for no longer waits no longer either: nobody else can end it."""
    with bounced(primary.database) if pooled else nullcontext() as bouncer:
        database = primary.database if bouncer is None else bouncer.database
        async with await database.aconnect("everyclick-service", patience=0.5) as connection:
            standby.freeze()
            with pytest.raises(psycopg.OperationalError):
                async with connection.transaction():
                    await connection.execute("UPDATE links SET title = title")

        async def over() -> bool:
            return 0 == await waiting(primary)

        await until(over)
        standby.thaw()


async def test_a_relay_leaves_no_backend(
    primary: Cluster, standby: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the standby is away a relay loses one connection after another: when it lets go of the
    others, their COMMITs wait no longer either.
    """
    working, silenced = asyncio.Barrier(3), asyncio.Event()

    def writing(after: float) -> Callable[[session.Session, AsyncConnectionPool], Awaitable[None]]:
        async def write(_: session.Session, pool: AsyncConnectionPool) -> None:
            async with pool.connection() as connection:
                await working.wait()
                await silenced.wait()
                await asyncio.sleep(after)
                await connection.execute("SELECT pg_logical_emit_message(true, 'test', '')")

        return write

    monkeypatch.setattr(session, "PATIENCE", 3.0)
    monkeypatch.setattr(session.Session, "_live", writing(0.0))
    monkeypatch.setattr(session.Session, "_meter", writing(1.0))  # it is let go of
    async with await primary.database.aconnect("everyclick-test") as admin:

        async def backends(number: int) -> bool:
            return number == await first(await admin.execute(RELAY_WAITS))

        mover = Mover(Policy(100, Terms(5, 1.0, lambda: 0.5)), lambda _: None)
        relay = session.Session(primary.database, mover, lambda _: None, shutdown_timeout=5.0)
        running = asyncio.create_task(relay.run(asyncio.Event()))
        await working.wait()
        standby.freeze()
        silenced.set()
        await until(partial(backends, 2))
        with pytest.raises(psycopg.OperationalError):
            await running
        await until(partial(backends, 0))
        standby.thaw()


async def test_a_cancelled_wait_is_no_acknowledgement(primary: Cluster, standby: Cluster) -> None:
    """A transaction whose wait is cancelled, again and again, ends when the standby has it."""
    async with await primary.database.aconnect("everyclick-service") as connection:
        standby.freeze()

        async def write() -> None:
            async with connection.transaction():
                await connection.execute("UPDATE links SET title = title")

        writing = asyncio.create_task(write())

        async def again() -> bool:
            return 1 == await waiting(primary)

        for _ in range(3):
            await until(again)
            await ended(primary, "pg_cancel_backend")
        await until(again)
        assert not writing.done()
        standby.thaw()
        await writing
        assert not connection.closed
