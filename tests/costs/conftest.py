"""Links to follow, and a recorder whose way to the database is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from psycopg import AsyncConnection

from relay.events import PendingEvent
from relay.mover import Mover, Policy
from relay.settlement import Terms
from service.contract.events import Click, new_message_id
from service.contract.fitness import durability_check
from service.contract.observations import Observation
from service.contract.outbox import Resolved
from service.contract.postgres import Database
from service.recorder import Limits, Recorder
from tests.support.proxy import Proxy, proxied

LINKS = 64

REFERRER = "https://news.example.org/2026/an-article-that-links-to-us"
USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
"""What a browser sends: 168 bytes of what a click writes are these."""


@dataclass(slots=True)
class Counted:
    """A recorder with its usual limits, and the proxy it reaches the database through."""

    recorder: Recorder
    proxy: Proxy
    lanes: list[AsyncConnection] = field(default_factory=list)
    """Its connections, as it opened them."""

    @property
    def asked(self) -> tuple[int, int]:
        """Statements and round trips so far."""
        return self.proxy.asked.statements, self.proxy.asked.round_trips

    async def wave(self, at_once: int, *, code: str = "", recorded: bool = True) -> set[bool]:
        """Let so many visits arrive together, each to another link; tell which answers there were:
        found or not.
        """
        visits = [
            self.recorder.record(code or f"b{number % LINKS}", click() if recorded else None)
            for number in range(at_once)
        ]
        return {isinstance(answer, Resolved) for answer in await asyncio.gather(*visits)}

    async def waves(self, at_once: int, clicks: int) -> None:
        """Record so many clicks, wave after wave."""
        for _ in range(clicks // at_once):
            await self.wave(at_once)


def click() -> Click:
    """A click of a usual size."""
    return Click(new_message_id(), REFERRER, USER_AGENT)


@pytest.fixture
async def links(db: AsyncConnection) -> None:
    """Live links b0, b1, …."""
    await db.execute(
        "INSERT INTO links (code, target)"
        " SELECT 'b' || n, 'https://example.com/' FROM generate_series(0, %s) AS n",
        [LINKS - 1],
    )


@pytest.fixture
async def counted(
    database: Database, links: None, observed: list[Observation]
) -> AsyncIterator[Counted]:
    """A recorder, and what it asks of the database."""
    lanes: list[AsyncConnection] = []

    async def vet(connection: AsyncConnection) -> None:
        await durability_check(connection)
        lanes.append(connection)

    async with proxied(database) as (proxy, near):
        # Nothing here depends on time: a slow machine gives up no visit.
        recorder = Recorder(near, observed.append, vet, Limits(deadline=60.0))
        try:
            yield Counted(recorder, proxy, lanes)
        finally:
            await recorder.close()
    assert [] == observed


async def fill(db: AsyncConnection, events: int, links: int = 1, due: str = "0 s") -> None:
    """Put so many events of the links 1, 2, … into the outbox, due after a while."""
    await db.execute(
        "INSERT INTO outbox (message_id, link_id, available_at, referrer, user_agent)"
        " SELECT message_id, 1 + n %% %s, now() + %s::interval, %s, %s"
        " FROM unnest(%s::uuid[]) WITH ORDINALITY AS event (message_id, n)",
        [links, due, REFERRER, USER_AGENT, [new_message_id() for _ in range(events)]],
    )


def mover(size: int, handle: Callable[[PendingEvent], None] | None = None) -> Mover:
    """The real mover, for batches of `size`."""
    return Mover(Policy(size, Terms(5, 1.0, lambda: 0.5), handle), lambda _: None)


async def move(mover: Mover, connection: AsyncConnection, batches: int) -> None:
    """Move so many batches, each of them full."""
    for _ in range(batches):
        assert await mover.move(connection)
