"""How fast events may be let go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.throttle import BATCH, Throttle


@pytest.mark.parametrize(
    "rate, batch", [(None, BATCH), (0.5, 1), (1, 1), (100, 25), (4000, 1000), (1e9, BATCH)]
)
def test_batches(rate: float | None, batch: int) -> None:
    """A quarter of a second's events, at least one, at most a batch."""
    assert batch == Throttle(rate, lambda: 0.0).batch


def test_no_rate_no_wait() -> None:
    """Without a rate nothing waits."""
    throttle = Throttle(None, lambda: 0.0)
    assert [0.0, 0.0] == [throttle.wait(0), throttle.wait(10**6)]


def test_the_first_does_not_wait() -> None:
    """The count begins when the first batch is asked for, not when the rate is set."""
    times = iter([50.0, 50.0, 50.4])
    throttle = Throttle(100, lambda: next(times))
    assert 0.0 == throttle.wait(0)
    assert pytest.approx(0.5) == throttle.wait(50)
    assert pytest.approx(0.1) == throttle.wait(50)


@given(st.floats(0.01, 1e5), st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_never_faster(rate: float, slowness: list[float]) -> None:
    """However long each batch takes: never more than the rate allows, and one batch."""
    now = 0.0
    throttle = Throttle(rate, lambda: now)
    done = 0
    for seconds in slowness:
        now += throttle.wait(done)
        done += throttle.batch
        assert done <= rate * now + throttle.batch * (1 + 1e-6)
        now += seconds
