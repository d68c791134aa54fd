"""Where looks begin, and when they sweep."""

from __future__ import annotations

import pytest

from relay.frontier import HEAD, SWEEP_EVERY, SWEEP_SHARE, SWEEP_WITHIN, Frontier, Place

THERE = Place("2026-11-24 10:00:00+00", 7)


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def look(frontier: Frontier, clock: Clock, seconds: float) -> Place:
    """Make a look that takes so long; return where it began."""
    began = frontier.begin()
    clock.now += seconds
    frontier.passed(THERE)
    return began


def test_a_look_begins_where_the_last_one_ended() -> None:
    """The first one sweeps, the next ones go on, a second later one sweeps again."""
    clock = Clock()
    frontier = Frontier(clock)
    assert [HEAD, THERE, THERE] == [look(frontier, clock, 0.001) for _ in range(3)]
    clock.now += SWEEP_EVERY
    assert [HEAD, THERE] == [look(frontier, clock, 0.001) for _ in range(2)]


@pytest.mark.parametrize(
    "usual, sweep, pause",
    [
        (0.05, 0.06, SWEEP_EVERY),  # dear batches are no dear sweeps
        (0.01, 0.05, 0.04 / SWEEP_SHARE),
        (0.01, 30.0, SWEEP_WITHIN),  # a wait for a lock, say
    ],
)
def test_dear_sweeps_are_spread_out(usual: float, sweep: float, pause: float) -> None:
    """By what they cost beyond a usual look, within bounds."""
    clock = Clock()
    frontier = Frontier(clock)
    look(frontier, clock, usual)
    look(frontier, clock, usual)
    clock.now += SWEEP_WITHIN
    assert HEAD == look(frontier, clock, sweep)
    clock.now += pause - 0.001
    assert THERE == look(frontier, clock, 0.0)
    clock.now += 0.002
    assert HEAD == frontier.begin()


def test_a_look_that_failed_has_passed_nothing() -> None:
    """The sweep that was lost is made up for at once."""
    clock = Clock()
    frontier = Frontier(clock)
    assert HEAD == frontier.begin()
    assert HEAD == frontier.begin()
