"""Which size the next batch has."""

from __future__ import annotations

from relay.pace import CALM, SLOW, Pace


def still() -> float:
    """A clock that stands still."""
    return 0.0


def test_quick_batches_grow_and_slow_ones_shrink() -> None:
    """Half the size after a slow batch, down to one; twice after a quick one, up to the largest."""
    pace = Pace(5, still)
    sizes = []
    for seconds in [2 * SLOW] * 4 + [SLOW / 2] * 4:
        pace.passed(pace.size, seconds)
        sizes.append(pace.size)
    assert [2, 1, 1, 1, 2, 4, 5, 5] == sizes


def test_one_at_fault_is_closed_in_on() -> None:
    """From 5,000 to one in four failures; no larger again before as many as failed have passed."""
    pace = Pace(5000, still)
    sizes = []
    while pace.size > 1:
        pace.failed(pace.size, drastic=True)
        sizes.append(pace.size)
    assert [625, 78, 9, 1] == sizes
    pace.passed(8, 0.0)
    assert 1 == pace.size
    pace.failed(1, drastic=True)
    assert 1 == pace.size
    pace.judged()
    pace.passed(1, 0.0)
    assert 2 == pace.size


def test_after_a_hang_it_stays_small_for_a_while() -> None:
    """Whatever passes meanwhile: another relay may have what hung in hand, and let go of it soon."""
    now = 100.0
    pace = Pace(800, lambda: now)
    pace.failed(800, drastic=True, hung=6.0)
    pace.passed(800, 0.0)
    assert 100 == pace.size
    now += CALM * 6.0
    pace.passed(100, 0.0)
    assert 200 == pace.size
    pace.failed(1, drastic=True, hung=6.0)
    pace.judged()
    pace.passed(1, 0.0)
    assert 2 == pace.size


def test_a_passing_error_shrinks_nothing_at_first() -> None:
    """A deadlock is tried again as it was; twice in a row is no accident any more."""
    pace = Pace(800, still)
    pace.failed(800, drastic=False)
    assert 800 == pace.size
    pace.failed(800, drastic=False)
    assert 100 == pace.size
    pace.passed(100, 0.0)
    assert 0 == pace.failures
