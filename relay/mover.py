"""The mover: batch after batch of events from the outbox to where they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, perf_counter

import psycopg
from psycopg import AsyncConnection

from relay.backoff import delay
from relay.events import PendingEvent
from relay.frontier import Frontier, Place
from relay.store.clicks import Moved, clicks_move, clicks_replan
from relay.store.outbox import Failure, outbox_bury, outbox_claim, outbox_retry
from relay.transience import is_timeout, is_transient
from service.contract.events import MessageId
from service.contract.observations import BatchMoved, EventBuried, EventFailed, Observer

SUSPICIONS = 3
"""Times in a row that one event alone may time out or lose the connection, as any may in an outage,
before it costs the event an attempt."""


class EventSuspected(Exception):
    """Handling this one event ended the connection or ran out of time, again and again."""

    def __init__(self, times: int) -> None:
        super().__init__(f"its handling, alone, lost the connection or its time {times} times")


@dataclass(frozen=True, slots=True)
class Policy:
    """How events are handled; `handle` raises for an event that must not be counted now.

    `chance` gives uniform numbers in [0, 1) for the jitter of the backoff.
    """

    batch_size: int
    max_attempts: int
    backoff_seconds: float
    chance: Callable[[], float]
    handle: Callable[[PendingEvent], None] | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The events of a batch that failed, with what was written about each."""

    retried: Sequence[tuple[PendingEvent, Failure]] = ()
    buried: Sequence[tuple[PendingEvent, Failure]] = ()


class Mover:
    """Moves batches; remembers where it is in the outbox and how large a batch may be.

    A batch that Postgres refuses is tried again at half its size, and so on: the events that it can
    take land, and the one that it cannot is left alone with its error, which costs it an attempt.
    From there the size doubles again.
    """

    def __init__(self, policy: Policy, observe: Observer) -> None:
        self._policy = policy
        self._observe = observe
        self._frontier = Frontier(monotonic)
        self._size = policy.batch_size
        self._suspicions = 0
        self._replans: AsyncConnection | None = None

    async def move(self, connection: AsyncConnection) -> bool:
        """Move one batch, all of it or nothing; false when nothing more was due.

        A transient database error leaves every event as it was, its attempts untouched, and is
        raised as the psycopg.Error it is.
        """
        # Without prepared statements, as behind a pooler, no plan is kept and no setting is wanted.
        if connection is not self._replans and connection.prepare_threshold is not None:
            await clicks_replan(connection)
            self._replans = connection
        started = perf_counter()
        size = self._size
        since = self._frontier.begin()
        if self._suspicions >= SUSPICIONS:
            self._suspicions = 0
            await self._blame(connection, since, EventSuspected(SUSPICIONS))
            return True
        try:
            claimed, moved, settled = await self._batch(connection, since, size)
        except psycopg.Error as error:
            await self._refused(connection, since, size, error)
            return True
        self._suspicions = 0
        self._size = min(size * 2, self._policy.batch_size)
        if moved is not None:
            self._frontier.passed(moved.place)
        if claimed:
            self._report(claimed, moved, settled, perf_counter() - started)
        return claimed == size

    async def _refused(
        self, connection: AsyncConnection, since: Place, size: int, error: psycopg.Error
    ) -> None:
        """Make the next batch smaller, or charge the error to the one event it can be due to."""
        transient = is_transient(error)
        if size > 1:
            # What took too long or took the connection with it may be one event's doing as well.
            if not transient or is_timeout(error) or connection.closed:
                self._size = size // 2
        elif not transient:
            await self._blame(connection, since, error)
        elif is_timeout(error) or connection.closed:
            self._suspicions += 1
        if transient:
            raise error

    async def _batch(
        self, connection: AsyncConnection, since: Place, size: int
    ) -> tuple[int, Moved | None, Settled]:
        if self._policy.handle is None:
            moved = await clicks_move(connection, since, size)
            return moved.claimed, moved, Settled()
        return await self._handled(connection, self._policy.handle, since, size)

    async def _handled(
        self,
        connection: AsyncConnection,
        handle: Callable[[PendingEvent], None],
        since: Place,
        size: int,
    ) -> tuple[int, Moved | None, Settled]:
        """Like clicks_move, but each event passes through `handle` first, and some fail there."""
        async with connection.transaction():
            events = await outbox_claim(connection, since, size)
            errors: dict[MessageId, Exception] = {}
            for event in events:
                try:
                    handle(event)
                except Exception as error:  # noqa: BLE001 - whatever an event does is its own failure
                    errors[event.message_id] = error
            # Those that failed are not due any more, so the oldest that are due are the others.
            settled = await self._settle(connection, events, errors)
            fit = len(events) - len(errors)
            moved = await clicks_move(connection, since, fit) if fit else None
        return len(events), moved, settled

    async def _blame(self, connection: AsyncConnection, since: Place, error: Exception) -> None:
        """Charge the error to the one event it can be due to: the oldest."""
        async with connection.transaction():
            events = await outbox_claim(connection, since, 1)
            errors = {event.message_id: error for event in events}
            settled = await self._settle(connection, events, errors)
        if events:
            self._report(len(events), None, settled, 0.0)

    async def _settle(
        self,
        connection: AsyncConnection,
        events: Sequence[PendingEvent],
        errors: Mapping[MessageId, Exception],
    ) -> Settled:
        """Write down every failure: due again later, or a dead letter past the cap."""
        retried: list[tuple[PendingEvent, Failure]] = []
        buried: list[tuple[PendingEvent, Failure]] = []
        for event in events:
            error = errors.get(event.message_id)
            if error is None:
                continue
            attempts = event.attempts + 1
            if attempts >= self._policy.max_attempts:
                buried.append((event, _failure(event, error, 0.0)))
            else:
                wait = delay(attempts, self._policy.backoff_seconds, self._policy.chance())
                retried.append((event, _failure(event, error, wait)))
        if retried:
            await outbox_retry(connection, [failure for _, failure in retried])
        if buried:
            await outbox_bury(connection, [failure for _, failure in buried])
        return Settled(retried, buried)

    def _report(self, claimed: int, moved: Moved | None, settled: Settled, seconds: float) -> None:
        for event, failure in settled.retried:
            self._observe(
                EventFailed(
                    str(event.message_id), event.attempts + 1, _words(failure), failure.delay
                )
            )
        for event, failure in settled.buried:
            self._observe(EventBuried(str(event.message_id), event.attempts + 1, _words(failure)))
        self._observe(
            BatchMoved(
                claimed=claimed,
                moved=moved.moved if moved else 0,
                duplicates=moved.duplicates if moved else 0,
                orphans=moved.orphans if moved else 0,
                retried=len(settled.retried),
                buried=len(settled.buried),
                seconds=seconds,
            )
        )


def _failure(event: PendingEvent, error: Exception, wait: float) -> Failure:
    # Postgres text refuses NUL, and an error's text may quote whatever the event held.
    message = str(error).replace("\x00", "\\0").encode("utf-8", "replace").decode()
    return Failure(event.message_id, type(error).__name__, message[:2000], wait)


def _words(failure: Failure) -> str:
    return f"{failure.error_class}: {failure.error_message}"
