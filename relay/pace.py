"""How large a batch may be, learned from how the batches before it went. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

SLOW = 0.5
"""Seconds past which a batch is followed by one of half its size: a large batch is what a backlog
needs, but clicks are seen only when it ends, and whoever waits for its rows waits as long."""

SHRINK = 8
"""A failed batch is followed by one of this part of its size: four steps from 5,000 to one."""

TRIES = 3
"""Failures in a row, alone in its batch, after which a failure is held to be the event's own. Any
event may meet one or two in an outage."""


@dataclass(slots=True)
class Pace:
    """The size of the next batch: at most `largest`, down to the one event that is at fault."""

    largest: int
    size: int = field(init=False)
    failures: int = field(init=False, default=0)
    wary: int = field(init=False, default=0)
    """Events still to pass before the size grows again: one of those that failed together did it."""

    def __post_init__(self) -> None:
        self.size = self.largest

    def passed(self, seconds: float) -> None:
        """A batch took so long: half the size after a slow one, twice the size after a quick one."""
        self.failures = 0
        self.wary = max(self.wary - self.size, 0)
        if seconds > SLOW:
            self.size = max(self.size // 2, 1)
        elif not self.wary:
            self.size = min(self.size * 2, self.largest)

    def failed(self, events: int, *, drastic: bool) -> bool:
        """A batch of so many failed for the moment; true when that must be due to the one in it.

        A `drastic` failure, one that took the connection or all of its time with it, makes the next
        batch smaller at once; others only when they come twice in a row.
        """
        self.failures += 1
        if events == 1:
            self.size = 1
            return self.failures >= TRIES
        if drastic or self.failures > 1:
            self.wary = events
            self.size = max(events // SHRINK, 1)
            self.failures = 0
        return False

    def judged(self) -> None:
        """The event that was at fault is out of the way."""
        self.failures = self.wary = 0
