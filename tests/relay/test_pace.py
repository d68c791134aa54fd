"""How fast events may be let go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pace import BATCH, Pace


@pytest.mark.parametrize(
    "rate, batch", [(None, BATCH), (0.5, 1), (1, 1), (100, 25), (4000, 1000), (1e9, BATCH)]
)
def test_batches(rate: float | None, batch: int) -> None:
    """A quarter of a second's events, at least one, at most a batch."""
    assert batch == Pace(rate, lambda: 0.0).batch


def test_no_rate_no_wait() -> None:
    """Without a rate nothing waits."""
    pace = Pace(None, lambda: 0.0)
    assert [0.0, 0.0] == [pace.wait(0), pace.wait(10**6)]


def test_the_first_does_not_wait() -> None:
    """The count begins when the first batch is asked for, not when the pace is set."""
    times = iter([50.0, 50.0, 50.4])
    pace = Pace(100, lambda: next(times))
    assert 0.0 == pace.wait(0)
    assert pytest.approx(0.5) == pace.wait(50)
    assert pytest.approx(0.1) == pace.wait(50)


@given(st.floats(0.01, 1e5), st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_never_faster(rate: float, slowness: list[float]) -> None:
    """However long each batch takes: never more than the rate allows, and one batch."""
    now = 0.0
    pace = Pace(rate, lambda: now)
    done = 0
    for seconds in slowness:
        now += pace.wait(done)
        done += pace.batch
        assert done <= rate * now + pace.batch * (1 + 1e-6)
        now += seconds
