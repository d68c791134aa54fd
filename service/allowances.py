"""How much somebody may do in which time: the generic cell rate algorithm (GCRA). Pure.

Each unit taken puts off, by one interval, the time at which all of the quota is there again. That
time is all that is kept: the rest follows from it and the clock. A whole quota may be used at once;
after that units come back one by one, evenly. (ITU-T I.371, annex A; its theoretical arrival time
is our `full_at`.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address


@dataclass(frozen=True, slots=True)
class Limit:
    """`quota` units within `window`; a quota of 0 is no limit."""

    quota: int
    window: timedelta

    @property
    def interval(self) -> timedelta:
        """The time in which one unit comes back, in whole microseconds as Postgres counts them."""
        return self.window // self.quota

    @property
    def span(self) -> timedelta:
        """The time in which all of it comes back."""
        return self.interval * self.quota


@dataclass(frozen=True, slots=True)
class Taken:
    """One try to take a unit, as it stood right afterwards."""

    limit: Limit
    allowed: bool
    full_at: datetime
    at: datetime

    @property
    def remaining(self) -> int:
        """Units left."""
        if not self.allowed:
            return 0
        return max(0, (self.limit.span - (self.full_at - self.at)) // self.limit.interval)

    @property
    def full_after(self) -> int:
        """Whole seconds until nothing is used up any more."""
        return _seconds(self.full_at - self.at)

    @property
    def retry_after(self) -> int:
        """Whole seconds until another try may be allowed; at least one."""
        return max(1, _seconds(self.full_at + self.limit.interval - self.limit.span - self.at))


def take(limit: Limit, full_at: datetime | None, at: datetime) -> Taken:
    """Take one unit where `full_at` stands (None: nothing used yet): what the statement does."""
    start = at if full_at is None else max(full_at, at)
    after = start + limit.interval
    if after - at > limit.span:
        return Taken(limit, allowed=False, full_at=start, at=at)
    return Taken(limit, allowed=True, full_at=after, at=at)


def neighbourhood(address: str) -> str:
    """Return whom an address stands for: an IPv6 network of /64 is one household's or machine's.

    IPv4 written as IPv6 is IPv4; what is no address stands for itself.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def _seconds(duration: timedelta) -> int:
    return max(0, math.ceil(duration / timedelta(seconds=1)))
