"""What the relay's health check tells, on a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from relay.progress import STALLED_SECONDS, Progress

LONG = STALLED_SECONDS + 1


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    """A relay that has just been started."""
    return Progress(clock)


def test_before_the_first_look(progress: Progress, clock: Clock) -> None:
    """A relay without a database waits, however long it takes."""
    clock.seconds += 10 * LONG
    assert "waiting" == progress.health().status


def test_looks(progress: Progress, clock: Clock) -> None:
    """Nothing to do is no reason to worry, as long as the relay looks; not to look is one."""
    for _ in range(5):
        progress.looked(due=False)
        clock.seconds += LONG - 2
        assert "ok" == progress.health().status
    clock.seconds += LONG
    assert "stalled" == progress.health().status
    assert "has not looked at the outbox for" in progress.health().detail


def test_events_that_stay_due(progress: Progress, clock: Clock) -> None:
    """Looks alone are not enough while events are due: batches have to end."""
    for _ in range(3):
        progress.looked(due=True)
        clock.seconds += LONG / 2
    progress.looked(due=True)
    assert "stalled" == progress.health().status
    assert "none was moved for" in progress.health().detail
    progress.moved()
    assert "ok" == progress.health().status


def test_a_long_backlog(progress: Progress, clock: Clock) -> None:
    """Events may be due for hours, as long as batches end."""
    for _ in range(10):
        progress.looked(due=True)
        clock.seconds += LONG - 2
        progress.moved()
    assert "ok" == progress.health().status


def test_a_lost_database(progress: Progress, clock: Clock) -> None:
    """Whatever was due when the connection went: from then on the relay waits; then it starts anew."""
    progress.looked(due=True)
    clock.seconds += LONG
    progress.disconnected()
    progress.moved()
    assert "waiting" == progress.health().status
    progress.looked(due=True)
    assert "ok" == progress.health().status
