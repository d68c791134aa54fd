"""What is written about events that failed: due again later, or a dead letter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection

from relay.backoff import ASIDE, delay
from relay.events import PendingEvent
from relay.store.outbox import Failure, outbox_bury, outbox_retry, outbox_set_aside
from service.contract.events import MessageId
from service.contract.observations import EventBuried, EventFailed, EventSetAside, Observer
from service.contract.transience import is_transient

MESSAGE_LIMIT = 2000
"""Characters kept of an error's text."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The events of a batch that failed, with what was written about each."""

    retried: Sequence[tuple[PendingEvent, Failure]] = ()
    buried: Sequence[tuple[PendingEvent, Failure]] = ()
    aside: Sequence[tuple[PendingEvent, Failure]] = ()

    def report(self, observe: Observer) -> None:
        """Tell of each event. Call it after the commit."""
        for event, failure in self.retried:
            observe(
                EventFailed(str(event.message_id), event.attempts + 1, failure.words, failure.delay)
            )
        for event, failure in self.buried:
            observe(EventBuried(str(event.message_id), event.attempts + 1, failure.words))
        for event, failure in self.aside:
            observe(EventSetAside(str(event.message_id), failure.words, failure.delay))


@dataclass(frozen=True, slots=True)
class Terms:
    """How often an event is handled, and how long it waits in between.

    `chance` gives uniform numbers in [0, 1) for the jitter of the backoff.
    """

    max_attempts: int
    backoff_seconds: float
    chance: Callable[[], float]

    async def settle(
        self,
        connection: AsyncConnection,
        events: Sequence[PendingEvent],
        errors: Mapping[MessageId, Exception],
    ) -> Settlement:
        """Count an attempt for each event that failed; bury it when that was its last.

        Not for a passing error of the database: then the event steps aside.
        """
        retried: list[tuple[PendingEvent, Failure]] = []
        buried: list[tuple[PendingEvent, Failure]] = []
        aside: list[tuple[PendingEvent, Failure]] = []
        for event in events:
            error = errors.get(event.message_id)
            if error is None:
                continue
            attempts = event.attempts + 1
            if isinstance(error, psycopg.Error) and is_transient(error):
                aside.append((event, failure(event, error, ASIDE)))
            elif attempts >= self.max_attempts:
                buried.append((event, failure(event, error, 0.0)))
            else:
                wait = delay(attempts, self.backoff_seconds, self.chance())
                retried.append((event, failure(event, error, wait)))
        if retried:
            await outbox_retry(connection, [each for _, each in retried])
        if buried:
            await outbox_bury(connection, [each for _, each in buried])
        if aside:
            await outbox_set_aside(connection, [each for _, each in aside])
        return Settlement(retried, buried, aside)


def failure(event: PendingEvent, error: Exception, wait: float) -> Failure:
    """Return the error as it is written down."""
    # Postgres text refuses NUL, and an error's text may quote whatever the event held.
    message = str(error).replace("\x00", "\\0").encode("utf-8", "replace").decode()
    return Failure(
        event.message_id, event.attempts, type(error).__name__, message[:MESSAGE_LIMIT], wait
    )
