"""How fast events may be let go: so many a second, in batches."""

from __future__ import annotations

from collections.abc import Callable

BATCH = 1000
"""Events of one transaction at most: about 50 ms, all that anybody waits for one of its rows."""

TICKS = 4
"""Batches a second when there is a rate: what is let go at once is a quarter of a second's."""


class Throttle:
    """At most `rate` events a second since the first was asked for; no rate, no limit.

    `clock` gives seconds that never go back.
    """

    def __init__(self, rate: float | None, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._began: float | None = None

    @property
    def batch(self) -> int:
        """Events that may be let go at once."""
        return BATCH if self._rate is None else min(max(int(self._rate / TICKS), 1), BATCH)

    def wait(self, done: int) -> float:
        """Return the seconds until another batch may follow the `done` events before it."""
        now = self._clock()
        if self._began is None:
            self._began = now
        return 0.0 if self._rate is None else max(self._began + done / self._rate - now, 0.0)
