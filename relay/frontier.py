"""Where in the outbox to begin looking: past the rows that are gone but not yet forgotten.

A moved event leaves a dead entry in the index, and while somebody holds an old snapshot no vacuum
may remove it: a look that begins at the head steps over all of them, each time over more. So a look
begins where the one before ended. That alone would miss what commits late or is let go by a relay
that died; every so often a sweep begins at the head again, and that is what guarantees progress.
The dearer a sweep, the rarer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MARGIN = 0.5
"""Seconds before now that are always looked through: a commit may come so late and be found
without a sweep."""

SWEEP_EVERY = 1.0
"""Seconds between two sweeps, at least: what a killed relay held waits no longer for another."""

SWEEP_SHARE = 0.02
"""Share of the time that sweeps may take; past it they are spread out."""

SWEEP_WITHIN = 5.0
"""Seconds between two sweeps, at most, however dear: what only a sweep finds waits no longer."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the index of the outbox: an instant as Postgres writes it, and an id."""

    at: str
    id: int


HEAD = Place("-infinity", 0)


class Frontier:
    """One watcher's or mover's place; `clock` is any monotonic one, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._place = HEAD
        self._next_sweep = 0.0
        self._began = 0.0
        self._sweeping = False
        self._usual = 0.0

    def begin(self) -> Place:
        """Return where to begin to look now."""
        self._began = self._clock()
        self._sweeping = self._began >= self._next_sweep
        return HEAD if self._sweeping else self._place

    def passed(self, place: Place) -> None:
        """Remember that the look that was begun has seen everything before `place`."""
        self._place = place
        now = self._clock()
        took = now - self._began
        if self._sweeping:
            # What a look costs that does not sweep is no cost of sweeping.
            share = (took - self._usual) / SWEEP_SHARE
            self._next_sweep = now + min(max(SWEEP_EVERY, share), SWEEP_WITHIN)
        else:
            self._usual = took
