"""RELAY_FAULT_RATE: handlings that fail on purpose, to see what failure does. For drills only."""

from __future__ import annotations

from collections.abc import Callable

from relay.events import PendingEvent


class DrillFault(Exception):
    """This handling failed because a drill asked for it."""


class FaultDrill:
    """Fails a share of handlings, by a coin for each.

    Unless the share is 1, an event's last attempt is spared when it had one before: a drill below
    1 exercises retries and ends with every click counted; a drill of 1 fills `dead_letters`.
    """

    def __init__(self, rate: float, max_attempts: int, chance: Callable[[], float]) -> None:
        self._rate = rate
        self._max_attempts = max_attempts
        self._chance = chance

    def __call__(self, event: PendingEvent) -> None:
        """Raise DrillFault when the coin says so."""
        spared = self._rate < 1 and 1 < self._max_attempts <= event.attempts + 1
        if not spared and self._chance() < self._rate:
            raise DrillFault(f"RELAY_FAULT_RATE={self._rate:g} failed this handling on purpose")
