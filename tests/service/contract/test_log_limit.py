"""service/contract/log_limit.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.contract.log_limit import CAUSES, LogLimiter
from service.contract.observations import (
    BatchMoved,
    DatabaseUnavailable,
    EventFailed,
    JobFailed,
    PartitionRefused,
    Redirected,
)

BATCH = BatchMoved(10, 9, 0, 0, 1, 0, 0.5)


def test_the_first_is_told_at_once() -> None:
    """Those of the next second become one sum, and so do those of the second after it."""
    limiter = LogLimiter()
    assert limiter.admit(BATCH, 0.0)
    assert [False] * 3 == [limiter.admit(BATCH, at) for at in (0.1, 0.2, 0.9)]
    assert [] == limiter.due(0.9)
    assert 0.5 == limiter.pause(0.5)
    assert [(BatchMoved(30, 27, 0, 0, 3, 0, 1.5), 3)] == limiter.due(1.0)
    assert not limiter.admit(BATCH, 1.9)
    assert [(BATCH, 1)] == limiter.due(2.0)


def test_after_a_pause_the_next_is_the_first() -> None:
    """When none came for a second, nothing is held back and nothing waited for."""
    limiter = LogLimiter()
    assert limiter.admit(BATCH, 0.0)
    assert [] == limiter.due(1.0)
    assert limiter.pause(1.0) is None
    assert limiter.admit(BATCH, 1.0)


def test_nothing_is_lost_without_a_look() -> None:
    """Sums go on while nobody takes them: while the log cannot be written."""
    limiter = LogLimiter()
    assert 1 == sum(limiter.admit(BATCH, float(at)) for at in range(100))
    assert [(99, 990)] == [(times, last.claimed) for last, times in limiter.due(100.0)]  # type: ignore[union-attr]


def test_an_event_is_an_example() -> None:
    """Of events that failed a sum tells the last, and how many there were."""
    limiter = LogLimiter()
    events = [EventFailed(str(number), number, "error", 0.5) for number in range(5)]
    assert [True, False, False, False, False] == [limiter.admit(each, 0.0) for each in events]
    assert [(events[4], 4)] == limiter.due(1.0)


def test_what_persists_is_told_once_a_minute() -> None:
    """Each sum of one cause waits twice as long as the one before, up to a minute."""
    limiter = LogLimiter()
    error = DatabaseUnavailable("session", "connection 17 refused")
    told = []
    for second in range(600):
        if limiter.admit(replace(error, error=f"connection {second} refused"), second):
            told.append(second)
        told += [second for _ in limiter.due(second)]
    assert [0, 1, 3, 7, 15, 31, 63, 123, 183] == told[:9]
    assert len(told) <= 16


def test_causes_are_told_apart() -> None:
    """Another error, and another thing that waits, is told at once."""
    limiter = LogLimiter()
    assert limiter.admit(DatabaseUnavailable("session", "refused"), 0.0)
    assert limiter.admit(DatabaseUnavailable("session", "read-only"), 0.0)
    assert limiter.admit(DatabaseUnavailable("request", "refused"), 0.0)
    assert limiter.admit(JobFailed("session", ValueError("1")), 0.0)
    assert not limiter.admit(JobFailed("session", ValueError("2")), 0.0)
    assert limiter.admit(JobFailed("session", KeyError("2")), 0.0)
    assert limiter.admit(PartitionRefused("2026-10", "denied: clicks_2026_10"), 0.0)
    assert limiter.admit(PartitionRefused("2026-11", "denied: clicks_2026_11"), 0.0)


def test_causes_without_end_take_no_memory_without_end() -> None:
    """Beyond a number of causes the rest are summed up by kind."""
    limiter = LogLimiter()
    told = [
        limiter.admit(DatabaseUnavailable("session", "x" * number), 0.0) for number in range(1000)
    ]
    assert CAUSES + 1 == sum(told)
    assert CAUSES + 1 == len(limiter._windows)
    assert [999 - CAUSES] == [times for _, times in limiter.due(1.0)]


@pytest.mark.parametrize("number", [1, 1000])
def test_others_are_told_each_time(number: int) -> None:
    """What has no limit passes."""
    limiter = LogLimiter()
    redirect = Redirected("GET", "code", "found", 0.1)
    assert number == sum(limiter.admit(redirect, 0.0) for _ in range(number))
    assert limiter.pause(0.0) is None
