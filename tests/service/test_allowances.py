from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.allowances import Limit, neighbourhood, take

START = datetime(2026, 11, 24, tzinfo=UTC)

limits = st.builds(
    Limit,
    st.integers(1, 50),
    st.integers(100, 10**6).map(lambda n: timedelta(milliseconds=n)),
)
pauses = st.lists(st.integers(0, 10**9).map(lambda n: timedelta(microseconds=n)), max_size=60)


class Bucket:
    """The reference: a bucket of tokens that fills up evenly, counted in whole microseconds."""

    def __init__(self, limit: Limit) -> None:
        self.interval = limit.interval // timedelta(microseconds=1)
        self.most = self.held = self.interval * limit.quota

    def take(self, pause: timedelta) -> bool:
        """Let time pass, then take a token if there is one."""
        self.held = min(self.most, self.held + pause // timedelta(microseconds=1))
        if self.held < self.interval:
            return False
        self.held -= self.interval
        return True


@given(limits, pauses)
def test_it_is_a_bucket_of_tokens(limit: Limit, waits: list[timedelta]) -> None:
    """At any times whatever, the same tries are allowed, and as much is left."""
    bucket, full_at, at = Bucket(limit), None, START
    for wait in waits:
        at += wait
        taken = take(limit, full_at, at)
        assert bucket.take(wait) == taken.allowed
        if taken.allowed:
            assert bucket.held // bucket.interval == taken.remaining
        else:
            assert 0 == taken.remaining
        full_at = taken.full_at


@given(limits, st.integers(0, 100))
def test_no_more_than_the_quota_at_once(limit: Limit, tries: int) -> None:
    """Of tries at one instant just the quota is allowed, and each tells how many are left."""
    full_at, left = None, []
    for _ in range(tries):
        taken = take(limit, full_at, START)
        full_at = taken.full_at
        if taken.allowed:
            left.append(taken.remaining)
    assert list(range(limit.quota))[::-1][:tries] == left


@given(limits, pauses)
def test_retry_after_is_true(limit: Limit, waits: list[timedelta]) -> None:
    """Who waits as long as told, and asks alone, is allowed."""
    full_at, at = None, START
    for wait in waits:
        at += wait
        taken = take(limit, full_at, at)
        full_at = taken.full_at
        if not taken.allowed:
            at += timedelta(seconds=taken.retry_after)
            taken = take(limit, full_at, at)
            assert taken.allowed
            full_at = taken.full_at


@given(limits)
def test_full_after_is_true(limit: Limit) -> None:
    """After as long as told the whole quota is there again."""
    taken = take(limit, None, START)
    for _ in range(limit.quota - 1):
        taken = take(limit, taken.full_at, START)
    again = take(limit, taken.full_at, START + timedelta(seconds=taken.full_after))
    assert limit.quota - 1 == again.remaining


@given(limits, st.integers(1, 20))
def test_what_is_given_back_can_be_taken_once(limit: Limit, times: int) -> None:
    """A unit taken and given back leaves everything as it was, however often."""
    full_at = take(limit, None, START).full_at
    for _ in range(times):
        full_at = take(limit, full_at - limit.interval, START).full_at
    assert limit.quota - 1 == take(limit, full_at - limit.interval, START).remaining


@pytest.mark.parametrize(
    "address, whose",
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
        ("999.1.1.1", "999.1.1.1"),
    ],
)
def test_whose_an_address_is(address: str, whose: str) -> None:
    """An IPv6 network of /64 is one client; no text makes it fail."""
    assert whose == neighbourhood(address)
