"""The delay between two handlings of a failed event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.backoff import ASIDE, JITTER, LONGEST, delay, longest_waits

chances = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    "attempts, seconds", [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (12, 2048.0), (13, 3600.0)]
)
def test_doubles_from_the_base(attempts: int, seconds: float) -> None:
    """Without luck either way the first delay is the base, each next one double, up to an hour."""
    assert seconds == pytest.approx(delay(attempts, 1.0, 0.5))


@given(st.integers(1, 1000), st.floats(0.001, 3600), chances, chances)
def test_grows_until_the_cap(attempts: int, base: float, before: float, after: float) -> None:
    """Whatever the jitter, a delay below the cap is shorter than the one after it."""
    if base * 2.0 ** min(attempts, 64) <= LONGEST:
        assert delay(attempts, base, before) < delay(attempts + 1, base, after)


@given(st.integers(1, 10**9), st.floats(0, 3600), chances)
def test_never_beyond_the_cap(attempts: int, base: float, chance: float) -> None:
    """No number of attempts makes the delay negative, overflow, or exceed the cap and its jitter."""
    assert 0 <= delay(attempts, base, chance) <= LONGEST * (1 + JITTER)


@given(st.integers(1, 20), chances)
def test_jitter_is_bounded(attempts: int, chance: float) -> None:
    """A delay lies within JITTER of the doubled base, whatever the chance."""
    middle = delay(attempts, 1.0, 0.5)
    assert middle * (1 - JITTER) <= delay(attempts, 1.0, chance) * (1 + 1e-9)
    assert delay(attempts, 1.0, chance) <= middle * (1 + JITTER)


def test_jitter_spreads() -> None:
    """Two events that failed together with different luck do not come back together."""
    assert delay(3, 1.0, 0.1) < delay(3, 1.0, 0.9)


@given(st.integers(1, 1000), st.floats(0, 3600), chances)
def test_no_delay_is_longer_than_the_longest(attempts: int, base: float, chance: float) -> None:
    """Or an event would be handled before its time."""
    waits = longest_waits(base)
    assert delay(attempts, base, chance) <= waits[min(attempts, len(waits) - 1)]
    assert ASIDE == waits[0] == min(waits)
