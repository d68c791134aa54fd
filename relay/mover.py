"""The mover: batch after batch of events from the outbox to where they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic, perf_counter

import psycopg
from psycopg import AsyncConnection

from relay.backoff import ASIDE, longest_waits
from relay.blame import Blame
from relay.events import PendingEvent
from relay.frontier import HEAD, Frontier
from relay.pace import Pace
from relay.settlement import Settlement, Terms, failure
from relay.store.clicks import Moved, clicks_move, clicks_move_each
from relay.store.outbox import (
    outbox_claim_fresh,
    outbox_claim_suspects,
    outbox_set_aside,
    outbox_suspects_due,
)
from relay.stream import EACH, Stream, Verdict
from service.contract.events import MessageId
from service.contract.observations import BatchMoved, Observer
from service.contract.transience import (
    is_drastic,
    is_transient,
    may_be_the_event,
    needs_operator,
)

REST = 0.1
"""Seconds between two looks for suspects that another relay holds."""

HELD_UP = 1.0
"""Seconds between two tries of suspects that all met an error that needs an operator."""


class EventSuspected(Exception):
    """Handling this one event ended the connection or ran out of time, again and again."""

    def __init__(self, error: psycopg.Error) -> None:
        told = str(error).strip() or type(error).__name__
        super().__init__(f"alone in its batch it failed again and again: {told}")


@dataclass(frozen=True, slots=True)
class Policy:
    """How events are handled; `handle` raises for an event that must not be counted now."""

    batch_size: int
    terms: Terms
    handle: Callable[[PendingEvent], None] | None = None


class Mover:
    """Moves batches; remembers where it is in the outbox and how large a batch may be.

    A batch is one statement. After one that Postgres refuses, events are moved each for itself: those
    that it can take land, those that it cannot cost an attempt each, or step aside when the error is
    one that should pass. As soon as those show what they have in common, or at once when it was a
    CHECK that refused, all others go first, together still.
    """

    def __init__(self, policy: Policy, observe: Observer) -> None:
        self._policy = policy
        self._observe = observe
        self._frontier = Frontier(monotonic)
        self._fresh = Stream(False, Pace(policy.batch_size, monotonic))
        self._suspects = Stream(True, Pace(min(policy.batch_size, EACH), monotonic))
        self._blame = Blame()
        self._suspects_due = False
        self._rested = 0.0
        self.waits = longest_waits(policy.terms.backoff_seconds)
        """The longest wait of an event in seconds, by its attempts."""

    async def move(self, connection: AsyncConnection) -> bool:
        """Move one batch, all of it or nothing; false when nothing more was due.

        A transient database error leaves every event as it was, its attempts untouched, and is
        raised as the psycopg.Error it is.
        """
        started = perf_counter()
        stream = self._suspects if self._suspects_due else self._fresh
        self._suspects_due = False
        if stream.verdict is not None:
            error = stream.verdict.error
            await self._judge(connection, stream, stream.verdict)
            if needs_operator(error):
                # It stepped aside; nothing was moved, and nothing will be before it is fixed.
                raise error
            return True
        try:
            moved, settlement, size = await self._batch(connection, stream)
        except psycopg.Error as error:
            self._failed(stream, error, perf_counter() - started)
            if is_transient(error):
                raise
            return True
        seconds = perf_counter() - started
        if moved.claimed:
            # Nothing claimed tells nothing: what failed last another relay may have in hand.
            stream.pace.passed(moved.claimed, seconds)
        full = moved.claimed == size
        if stream.suspects and not moved.claimed:
            # Those that are due another relay holds.
            self._rested = monotonic() + REST
        # In turns: however many suspects are due, fresh events do not wait for the last of them.
        self._suspects_due = (
            moved.suspects_due and not stream.suspects and monotonic() >= self._rested
        )
        if moved.claimed > moved.left_out:
            self._report(moved, settlement, seconds)
        return full or self._suspects_due or stream.suspects or stream.one_by_one > 0

    async def _batch(
        self, connection: AsyncConnection, stream: Stream
    ) -> tuple[Moved, Settlement, int]:
        size = stream.pace.size
        stream.in_hand = ()
        apart, stream.held_up = stream.apart(), False
        if stream.suspects or stream.one_by_one or size == 1 or self._policy.handle is not None:
            size = apart
            return *await self._each(connection, stream, size), size
        since = self._frontier.begin()
        if since == HEAD and stream.left:
            # A sweep, and those left out are the first it meets: they have waited long enough.
            stream.try_those_left()
            return await self._batch(connection, stream)
        try:
            moved, place = await clicks_move(
                connection, since, size, fit=stream.sieved, avoided=stream.avoided
            )
        except psycopg.Error as error:
            if not _of_the_batch(error):
                stream.refused(error, since)
            raise
        self._frontier.passed(place)
        stream.together(moved, size)
        return moved, Settlement(), size

    async def _each(
        self, connection: AsyncConnection, stream: Stream, size: int
    ) -> tuple[Moved, Settlement]:
        """Move each event for itself, after it has passed through `handle`; settle what fails."""
        errors: dict[MessageId, Exception] = {}
        async with connection.transaction():
            if stream.suspects:
                events = await outbox_claim_suspects(connection, size, stream.since)
            else:
                events = await outbox_claim_fresh(connection, size, stream.since)
            stream.in_hand = events
            for event in events:
                try:
                    if self._policy.handle is not None:
                        self._policy.handle(event)
                except Exception as error:  # noqa: BLE001 - whatever an event does is its own failure
                    errors[event.message_id] = error
            fit = [event.message_id for event in events if event.message_id not in errors]
            outcomes = await clicks_move_each(connection, fit)
            passing = [refusal for refusal in outcomes.refused.values() if is_transient(refusal)]
            again = stream.pace.failures and len(events) < size
            if passing and len(passing) == len(fit) and needs_operator(passing[0]):
                # The same for all, most likely; no event steps aside, to be updated each second.
                stream.hold_up(events, size)
                raise passing[0]
            if passing and len(passing) == len(fit) and not again:
                # All of them: it may be the moment's fault. When all that is due meets it again,
                # it steps aside for those to come.
                raise passing[0]
            settlement = await self._policy.terms.settle(
                connection, events, {**errors, **outcomes.refused}
            )
        stream.tried(outcomes, len(events), size)
        due = await outbox_suspects_due(connection)
        return replace(outcomes.moved, claimed=len(events), suspects_due=due), settlement

    def _failed(self, stream: Stream, error: psycopg.Error, seconds: float) -> None:
        """Make the next batch smaller, or put the error down to the event that is alone in hand."""
        if stream.held_up:
            # Neither the size of the batch nor any event in it is the cause.
            if stream.suspects:
                self._rested = monotonic() + HELD_UP
            return
        again = stream.one_by_one or stream.pace.size == 1 or not _of_the_batch(error)
        if not stream.in_hand and again:
            # Refused as a whole: tried otherwise next. Or not even claimed: no event has a part in it.
            return
        events = len(stream.in_hand) or stream.pace.size
        drastic = not is_transient(error) or is_drastic(error)
        hung = seconds if isinstance(error, psycopg.errors.QueryCanceled) else 0.0
        stream.pace.failed(events, drastic=drastic, hung=hung)
        if not stream.in_hand:
            # What took the batch down is looked for where it stands, with nothing left out before it.
            stream.try_those_left()
        if len(stream.in_hand) == 1:
            (event,) = stream.in_hand
            if self._blame.failed(event.message_id):
                stream.verdict = Verdict(event, error)

    async def _judge(self, connection: AsyncConnection, stream: Stream, verdict: Verdict) -> None:
        """Charge the error to its event, or let the event step aside when it cannot be its own."""
        event, error = verdict.event, verdict.error
        own = is_transient(error) and may_be_the_event(error)
        reason = EventSuspected(error) if own else error
        try:
            async with connection.transaction():
                settlement = await self._policy.terms.settle(
                    connection, [event], {event.message_id: reason}
                )
        except psycopg.Error as refusal:
            if connection.closed or isinstance(refusal, psycopg.errors.LockNotAvailable):
                # Another relay may have the event in hand.
                raise
            # A dead letter that cannot be written must hold up nobody either.
            aside = failure(event, refusal, ASIDE)
            await outbox_set_aside(connection, [aside])
            settlement = Settlement(aside=[(event, aside)])
        self._report(Moved(claimed=1), settlement, 0.0)
        stream.verdict = None
        stream.pace.judged()
        self._blame.judged(event.message_id)

    def _report(self, moved: Moved, settlement: Settlement, seconds: float) -> None:
        settlement.report(self._observe)
        self._observe(
            BatchMoved(
                claimed=moved.claimed - moved.left_out,
                moved=moved.moved,
                duplicates=moved.duplicates,
                orphans=moved.orphans,
                retried=len(settlement.retried),
                buried=len(settlement.buried),
                seconds=seconds,
            )
        )


def _of_the_batch(error: psycopg.Error) -> bool:
    """Tell whether it may have been too large a batch, rather than some event in it."""
    return is_transient(error) and is_drastic(error)
