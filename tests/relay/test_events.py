"""What makes an event unfit to be counted."""

from __future__ import annotations

import pytest

from relay.events import EARLIEST, LATEST, EventInvalid, PendingEvent, examine
from service.contract.events import LinkId, new_message_id


def event(occurred: float) -> PendingEvent:
    """An event of that instant."""
    return PendingEvent(new_message_id(), LinkId(1), occurred, 0)


@pytest.mark.parametrize("occurred", [EARLIEST, 1.8e9, LATEST - 1])
def test_a_time_of_our_calendar_passes(occurred: float) -> None:
    """Any time from 1970 to 9999 passes."""
    examine(event(occurred))


@pytest.mark.parametrize(
    "occurred", [-1.0, LATEST, float("inf"), float("-inf"), float("nan")], ids=str
)
def test_a_time_outside_it_does_not(occurred: float) -> None:
    """A time no calendar of ours can show is refused, and the message tells it."""
    with pytest.raises(EventInvalid, match="occurred_at"):
        examine(event(occurred))
