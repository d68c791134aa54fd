"""How the next events of a stream are to be moved."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from relay.frontier import HEAD
from relay.pace import Pace
from relay.store.clicks import Moved, Outcomes
from relay.stream import SAMPLE, Stream
from service.contract.events import new_message_id

REFUSED = psycopg.errors.RaiseException()


def sample(*kinds: Sequence[int]) -> Outcomes:
    """What becomes of a sample that is refused, equally many of each kind, or one more."""
    events = [new_message_id() for _ in range(SAMPLE)]
    refused = dict.fromkeys(events, REFUSED)
    return Outcomes(Moved(), refused, {e: kinds[n % len(kinds)] for n, e in enumerate(events)})


def test_what_is_avoided_already_is_no_news() -> None:
    """A batch without it was refused: however often each trait was met since, events are tried on."""
    stream = Stream(False, Pace(1000, lambda: 0.0))
    for kinds in ([1], [1], [2]), ([2],):
        stream.refused(REFUSED, HEAD)
        stream.tried(sample(*kinds), SAMPLE, SAMPLE)
    assert {1, 2} == set(stream.avoided)
    assert 1000 - SAMPLE == stream.one_by_one
