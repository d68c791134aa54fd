"""Which size the next batch has."""

from __future__ import annotations

from relay.pace import SLOW, TRIES, Pace


def test_quick_batches_grow_and_slow_ones_shrink() -> None:
    """Half the size after a slow batch, down to one; twice after a quick one, up to the largest."""
    pace = Pace(5)
    sizes = []
    for seconds in [2 * SLOW] * 4 + [SLOW / 2] * 4:
        pace.passed(seconds)
        sizes.append(pace.size)
    assert [2, 1, 1, 1, 2, 4, 5, 5] == sizes


def test_one_at_fault_is_closed_in_on() -> None:
    """From 5,000 to one in four failures; no larger again before all that failed have passed."""
    pace = Pace(5000)
    sizes = []
    while pace.size > 1:
        assert not pace.failed(pace.size, drastic=True)
        sizes.append(pace.size)
    assert [625, 78, 9, 1] == sizes
    pace.passed(0.0)
    assert 1 == pace.size
    verdicts = [pace.failed(1, drastic=True) for _ in range(TRIES)]
    assert [False] * (TRIES - 1) + [True] == verdicts
    pace.judged()
    pace.passed(0.0)
    assert 2 == pace.size


def test_a_passing_error_shrinks_nothing_at_first() -> None:
    """A deadlock is tried again as it was; twice in a row is no accident any more."""
    pace = Pace(800)
    assert not pace.failed(800, drastic=False)
    assert 800 == pace.size
    assert not pace.failed(800, drastic=False)
    assert 100 == pace.size
    pace.passed(0.0)
    assert 0 == pace.failures
