"""A stream of events, fresh ones or suspects, and how the next of them are to be moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from relay.events import PendingEvent
from relay.frontier import HEAD, Place
from relay.pace import Pace
from relay.resemblance import Resemblance
from relay.store.clicks import Moved, Outcomes

EACH = 1000
"""Events that are moved one by one in one transaction, at most."""

SAMPLE = 100
"""Events that are tried one by one after a batch was refused; then as many again, and so on."""

LEFT = 20_000
"""Events that wait for those that fit, at most: trying them one by one takes about a second."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An event that an error is put down to, since it was alone with it."""

    event: PendingEvent
    error: psycopg.Error


@dataclass(slots=True)
class Stream:
    """Fresh events, or suspects: those that have failed before.

    Apart, so that one that takes its batch down with it does so once and from then on goes with
    its like. `in_hand` is what was claimed and not yet moved, `one_by_one` how many events are still
    to be moved each for itself, from `since` on. `sieved`: whether batches leave out those that
    break a CHECK or have a trait that is `avoided`; they are tried when the others are through, or at
    the next sweep. `held_up`: all that was in hand met an error that needs an operator.
    """

    suspects: bool
    pace: Pace
    in_hand: Sequence[PendingEvent] = ()
    verdict: Verdict | None = None
    one_by_one: int = 0
    since: Place = HEAD
    sieved: bool = False
    avoided: frozenset[int] = frozenset()
    left: int = 0
    resemblance: Resemblance | None = None
    held_up: bool = False

    def apart(self) -> int:
        """Return how many events may be moved one by one in the next transaction."""
        if self.held_up:
            return min(self.pace.size, SAMPLE)
        if self.resemblance is None or self.pace.failures:
            # All of a sample may have met what should pass: among more there may be others.
            return min(self.pace.size, EACH)
        return min(self.pace.size, EACH, max(SAMPLE, self.resemblance.tried))

    def refused(self, error: psycopg.Error, since: Place) -> None:
        """A batch that began at this place was refused; not for its size, nor for the moment."""
        if isinstance(error, psycopg.errors.CheckViolation) and not self.sieved:
            self.sieved = True
            return
        self.one_by_one, self.since = self.pace.size, since
        if self.resemblance is None or self.resemblance.tried > LEFT:
            self.resemblance = Resemblance()

    def hold_up(self, events: Sequence[PendingEvent], size: int) -> None:
        """Each of up to so many events met an error that needs an operator; they stay as they are.

        The next try takes those behind them: the error may be one of these events alone.
        """
        self.held_up = True
        self.since = events[-1].behind if len(events) == size else HEAD

    def together(self, moved: Moved, size: int) -> None:
        """A batch of up to so many was moved; when it was a short one, those left out come next."""
        self.left += moved.left_out
        if moved.claimed < size or self.left >= LEFT:
            self.try_those_left()

    def tried(self, outcomes: Outcomes, claimed: int, size: int) -> None:
        """Of up to so many events, moved one by one, some were refused."""
        self.in_hand = ()
        if claimed < size:
            self.try_those_left()
            return
        self.one_by_one = max(self.one_by_one - size, 0)
        if self.resemblance is None:
            return
        if not self.one_by_one:
            # Tried, all of them; the next refusal may be of another kind.
            self.since, self.resemblance = HEAD, None
            return
        for message_id, traits in outcomes.traits.items():
            self.resemblance.learn(traits, refused=message_id in outcomes.refused)
        avoided = self.resemblance.avoided()
        if avoided and avoided != self.avoided:
            self.one_by_one, self.since = 0, HEAD
            self.sieved, self.avoided = True, avoided

    def try_those_left(self) -> None:
        """Leave out nothing any more; those that were left out come first, each for itself."""
        self.one_by_one, self.since, self.left = self.left, HEAD, 0
        self.sieved, self.avoided, self.resemblance = False, frozenset(), None
