"""How the next events of a stream are to be moved."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from relay.events import PendingEvent
from relay.frontier import HEAD
from relay.pace import Pace
from relay.stream import SAMPLE, Stream
from service.contract.events import LinkId, new_message_id

REFUSED = psycopg.errors.RaiseException()


def sample(*kinds: Sequence[int]) -> list[PendingEvent]:
    """As many events as a sample has, equally many of each kind, or one more."""
    return [
        PendingEvent(new_message_id(), LinkId(1), 0, kinds[n % len(kinds)]) for n in range(SAMPLE)
    ]


def test_what_is_avoided_already_is_no_news() -> None:
    """A batch without it was refused: however often each trait was met since, events are tried on."""
    stream = Stream(False, Pace(1000, lambda: 0.0))
    for kinds in ([1], [1], [2]), ([2],):
        stream.refused(REFUSED, HEAD)
        events = sample(*kinds)
        stream.tried(events, {event.message_id for event in events}, SAMPLE)
    assert {1, 2} == set(stream.avoided)
    assert 1000 - SAMPLE == stream.one_by_one
