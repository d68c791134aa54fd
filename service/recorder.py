"""Records clicks: requests that arrive while a transaction is in flight join the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

from service.contract.events import Click
from service.contract.observations import DatabaseUnavailable, Observer
from service.contract.outbox import Resolved, Visit
from service.contract.postgres import Database
from service.errors import Unavailable
from service.lane import Lane, Ticket, Vet


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be under way at once. The defaults were measured; see ops/decisions.md."""

    lanes: int = 3
    """Transactions in flight."""

    overlap: float = 0.003
    """Seconds a transaction must have taken before another is begun beside it: on a fast disk one
    at a time makes the largest batches, on a slow one several hide its latency."""

    batch: int = 256
    """Visits in one transaction."""

    waiting: int = 1024
    """Visits that may wait; past it they are shed, so that memory is bounded whatever the load."""

    deadline: float = 2.5
    """Seconds until a visit is given up with 503; clients are promised an answer within 3."""


TICK = 0.05
"""Seconds between two looks for visits whose time is over, while there are any."""


class Recorder:
    """Looks links up and records their clicks, many in one transaction.

    A visit that finds nothing in flight goes at once. Each visit has its own answer: a client that
    goes away takes nobody with it, and a value that cannot be stored fails nobody else.
    """

    def __init__(
        self, database: Database, observe: Observer, vet: Vet, limits: Limits | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._observe = observe
        self._idle = [Lane(database, observe, vet) for _ in range(self._limits.lanes)]
        self._busy: dict[Lane, asyncio.Task[None]] = {}
        self._waiting: deque[Ticket] = deque()
        self._ticking: asyncio.TimerHandle | None = None

    async def record(self, code: str, click: Click | None) -> Resolved | None:
        """Return where `code` leads, its click committed when the link is live; None when unknown.

        Without a click nothing is recorded. Raises Unavailable when too many wait, and after the
        deadline at the latest; the click may then be recorded or not, but never twice.
        """
        if len(self._waiting) >= self._limits.waiting:
            raise Unavailable("Too many requests wait for the database; try again.")
        now = monotonic()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Resolved | None] = loop.create_future()
        self._waiting.append(Ticket(Visit(code, click), answer, now + self._limits.deadline))
        self._dispatch(now)
        return await answer

    async def close(self) -> None:
        """Finish what is under way and close the connections."""
        if self._ticking is not None:
            self._ticking.cancel()
        for lane in self._busy:
            lane.cut()
        for task in list(self._busy.values()):
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
        # A task that was cancelled before its first step has put nothing back.
        for lane in [*self._idle, *self._busy]:
            self._give_up(lane.batch)
            await lane.close()
        self._give_up(self._waiting)

    def _dispatch(self, now: float) -> None:
        """Begin another transaction, unless those that wait should rather join the next one."""
        if not self._idle:
            return
        youngest = max((lane.since for lane in self._busy), default=0.0)
        if now - youngest < self._limits.overlap:
            return
        lane = self._idle.pop()
        lane.since = now
        self._busy[lane] = asyncio.get_running_loop().create_task(self._drive(lane))
        if self._ticking is None:
            self._ticking = asyncio.get_running_loop().call_later(TICK, self._tick)

    async def _drive(self, lane: Lane) -> None:
        """Carry batch after batch until nobody waits."""
        try:
            while self._waiting:
                size = min(len(self._waiting), self._limits.batch)
                await lane.carry([self._waiting.popleft() for _ in range(size)])
        finally:
            del self._busy[lane]
            self._idle.append(lane)

    def _tick(self) -> None:
        """Give up the visits whose time is over, and the transactions that nobody waits for."""
        self._ticking = None
        if self._busy or self._waiting:
            # First of all: whatever comes of this look, there is another one.
            self._ticking = asyncio.get_running_loop().call_later(TICK, self._tick)
        now = monotonic()
        late = [ticket for ticket in self._waiting if ticket.deadline <= now]
        for _ in late:
            self._waiting.popleft()  # the first to come are the first to be late
        for lane in self._busy:
            expired = [ticket for ticket in lane.batch if ticket.deadline <= now]
            late += expired
            if expired and len(expired) == len(lane.batch):
                lane.cut()
        if given_up := self._give_up(late):
            self._observe(
                DatabaseUnavailable("redirect", f"{given_up} visits had no answer in time")
            )
        if self._waiting:
            self._dispatch(now)

    def _give_up(self, tickets: Iterable[Ticket]) -> int:
        late = [ticket for ticket in tickets if not ticket.answer.done()]
        for ticket in late:
            ticket.answer.set_exception(Unavailable("The click was not recorded in time."))
        return len(late)
