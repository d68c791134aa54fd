"""An event as the relay claims it, and what makes one unfit to be counted."""

from __future__ import annotations

from dataclasses import dataclass

from service.contract.events import LinkId, MessageId

EARLIEST, LATEST = 0.0, 253_402_300_800.0
"""Unix seconds of 1970-01-01 and 10000-01-01: outside them no calendar of ours can show a click."""


class EventInvalid(Exception):
    """The event itself is at fault and would be however often it were tried."""


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """A claimed row of the outbox. `attempts` failed before; `occurred` is in Unix seconds.

    Text stays in Postgres: what Python does not need, no bad value can break it with.
    """

    message_id: MessageId
    link_id: LinkId
    occurred: float
    attempts: int


def examine(event: PendingEvent) -> None:
    """Raise EventInvalid when the event cannot be counted."""
    if not EARLIEST <= event.occurred < LATEST:
        raise EventInvalid(f"occurred_at is {event.occurred:g} s from 1970, outside 1970 to 9999")
