"""One batch, one transaction: the mover."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

import psycopg
from psycopg import AsyncConnection

from relay.backoff import delay
from relay.events import PendingEvent
from relay.store.clicks import Moved, clicks_move
from relay.store.outbox import Failure, outbox_bury, outbox_claim, outbox_retry
from relay.transience import is_transient
from service.contract.events import MessageId
from service.contract.observations import BatchMoved, EventBuried, EventFailed, Observer

NOTHING = Moved(removed=0, moved=0, orphans=0)


@dataclass(frozen=True, slots=True)
class Policy:
    """How events are handled. `handle` raises for an event that must not be counted now.

    `chance` gives uniform numbers in [0, 1) for the jitter of the backoff.
    """

    batch_size: int
    max_attempts: int
    backoff_seconds: float
    handle: Callable[[PendingEvent], None]
    chance: Callable[[], float]


class Mover:
    """Moves batches of events from the outbox to where they end."""

    def __init__(self, policy: Policy, observe: Observer) -> None:
        self._policy = policy
        self._observe = observe

    async def move(self, connection: AsyncConnection) -> bool:
        """Move one batch; false when it was a short one and nothing more was due.

        All of it is committed or none. A transient database error leaves every event as it was,
        its attempts untouched, and is raised as the psycopg.Error it is.
        """
        started = perf_counter()
        async with connection.transaction():
            events = await outbox_claim(connection, self._policy.batch_size)
            if not events:
                return False
            errors = self._handle(events)
            fit = [event.message_id for event in events if event.message_id not in errors]
            moved = await self._write(connection, fit, errors)
            failed = await self._settle(connection, events, errors)
        self._report(events, moved, failed, perf_counter() - started)
        return len(events) == self._policy.batch_size

    def _handle(self, events: Iterable[PendingEvent]) -> dict[MessageId, Exception]:
        errors: dict[MessageId, Exception] = {}
        for event in events:
            try:
                self._policy.handle(event)
            except Exception as error:  # noqa: BLE001 - whatever an event does is its own failure
                errors[event.message_id] = error
        return errors

    async def _write(
        self,
        connection: AsyncConnection,
        message_ids: Sequence[MessageId],
        errors: dict[MessageId, Exception],
    ) -> Moved:
        """Move the events; those that Postgres refuses are found by halving and put in `errors`."""
        if not message_ids:
            return NOTHING
        try:
            async with connection.transaction():
                return await clicks_move(connection, message_ids)
        except psycopg.Error as error:
            if is_transient(error):
                raise
            if len(message_ids) == 1:
                errors[message_ids[0]] = error
                return NOTHING
        half = len(message_ids) // 2
        first = await self._write(connection, message_ids[:half], errors)
        return first + await self._write(connection, message_ids[half:], errors)

    async def _settle(
        self,
        connection: AsyncConnection,
        events: Iterable[PendingEvent],
        errors: dict[MessageId, Exception],
    ) -> Settled:
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

    def _report(
        self, events: Sequence[PendingEvent], moved: Moved, settled: Settled, seconds: float
    ) -> None:
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
                claimed=len(events),
                moved=moved.moved,
                duplicates=moved.duplicates,
                orphans=moved.orphans,
                retried=len(settled.retried),
                buried=len(settled.buried),
                seconds=seconds,
            )
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """The events of a batch that failed, with what was written about each."""

    retried: Sequence[tuple[PendingEvent, Failure]]
    buried: Sequence[tuple[PendingEvent, Failure]]


def _failure(event: PendingEvent, error: Exception, wait: float) -> Failure:
    # Postgres text refuses NUL, and an error's text may quote whatever the event held.
    message = str(error).replace("\x00", "\\0").encode("utf-8", "replace").decode()
    return Failure(event.message_id, type(error).__name__, message[:2000], wait)


def _words(failure: Failure) -> str:
    return f"{failure.error_class}: {failure.error_message}"
