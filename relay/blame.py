"""Which event it is that takes its batch down, learned from how often it did so alone. Pure."""

from __future__ import annotations

from service.contract.events import MessageId

TRIES = 3
"""Failures alone in its batch after which a failure is held to be the event's own. Any event may
meet one or two in an outage."""

KEPT = 1000
"""Events that are remembered, at most."""


class Blame:
    """How often events have failed alone, whatever came to pass in between.

    In between other events pass, and other relays have the one at fault in hand: neither clears it.
    One that passes after all is never asked about again, and forgotten in time.
    """

    def __init__(self) -> None:
        self._failures: dict[MessageId, int] = {}

    def failed(self, message_id: MessageId) -> bool:
        """The event failed, alone; true when that must be due to itself."""
        failures = self._failures.pop(message_id, 0) + 1
        self._failures[message_id] = failures
        if len(self._failures) > KEPT:
            del self._failures[next(iter(self._failures))]
        return failures >= TRIES

    def judged(self, message_id: MessageId) -> None:
        """It has been charged: what comes now is another handling of it."""
        self._failures.pop(message_id, None)
