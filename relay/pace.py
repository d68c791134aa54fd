"""How large a batch may be, learned from how the batches before it went. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

SLOW = 0.5
"""Seconds past which a batch is followed by one of half its size: a large batch is what a backlog
needs, but clicks are seen only when it ends, and whoever waits for its rows waits as long."""

SHRINK = 8
"""A failed batch is followed by one of this part of its size: four steps from 5,000 to one."""

CALM = 4.0
"""Times as long as a batch hung for which the size does not grow: meanwhile other relays may be stuck
on what it was stuck on, and when they let go of it, it must not meet a large batch again."""


@dataclass(slots=True)
class Pace:
    """The size of the next batch: at most `largest`, down to the one event that is at fault."""

    largest: int
    clock: Callable[[], float]
    size: int = field(init=False)
    failures: int = field(init=False, default=0)
    wary: int = field(init=False, default=0)
    """Events still to pass before the size grows again: one of those that failed together did it."""
    calm: float = field(init=False, default=0.0)
    """When the size may grow again, on the clock."""

    def __post_init__(self) -> None:
        self.size = self.largest

    def passed(self, events: int, seconds: float) -> None:
        """A batch took so long: half the size after a slow one, twice the size after a quick one."""
        self.failures = 0
        self.wary = max(self.wary - events, 0)
        if seconds > SLOW:
            self.size = max(self.size // 2, 1)
        elif not self.wary and self.clock() >= self.calm:
            self.size = min(self.size * 2, self.largest)

    def failed(self, events: int, *, drastic: bool, hung: float = 0.0) -> None:
        """A batch of so many failed for the moment, or when it had `hung` for so many seconds.

        A `drastic` failure, one that took the connection or all of its time with it, makes the next
        batch smaller at once; others only when they come twice in a row.
        """
        self.failures += 1
        self.calm = max(self.calm, self.clock() + CALM * hung)
        if events == 1:
            self.size = 1
        elif drastic or self.failures > 1:
            self.wary = events
            self.size = max(events // SHRINK, 1)
            self.failures = 0

    def judged(self) -> None:
        """The event that was at fault is out of the way."""
        self.failures = self.wary = 0
        self.calm = 0.0
