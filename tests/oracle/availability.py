"""O7: how long a fault was felt by those who click, and which answers nobody should get. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.oracle.exchange import Exchange

PROMISED = 3.0
"""Seconds within which every request is answered, the database up or down."""


class Injury(NamedTuple):
    """One injected fault: from when it began to when it was over, on the monotonic clock."""

    fault: str
    began: float
    over: float


class Sample(NamedTuple):
    """How many clicks stood counted at a time."""

    at: float
    counted: int


@dataclass(frozen=True, slots=True)
class Availability:
    """What the client noted, summed up; times in seconds, `found` a share of the clicks."""

    found: float
    broken: int
    """5xx other than 503."""
    hopeless: int
    """503 without Retry-After."""
    slowest: float
    """The slowest complete answer."""
    p99: float


def availability(exchanges: Sequence[Exchange]) -> Availability:
    """Sum up what the client noted. Raises ValueError when it noted nothing."""
    clicks = [exchange for exchange in exchanges if exchange.kind == "click"]
    if not clicks:
        raise ValueError("no clicks were sent")
    found = sorted(exchange.seconds for exchange in clicks if exchange.acknowledged)
    answered = [exchange.ended - exchange.started for exchange in exchanges if exchange.status > 0]
    return Availability(
        found=len(found) / len(clicks),
        broken=sum(exchange.broken for exchange in exchanges),
        hopeless=sum(each.status == 503 and not each.retry_after for each in exchanges),
        slowest=max(answered, default=0.0),
        p99=found[min(len(found) * 99 // 100, len(found) - 1)] if found else 0.0,
    )


def found_again(exchanges: Sequence[Exchange], injury: Injury) -> float | None:
    """Return the seconds from the fault's end to the first 302 for a request sent after it.

    None when there is none.
    """
    after = [each.ended for each in exchanges if each.acknowledged and each.started >= injury.over]
    return min(after) - injury.over if after else None


def settled(exchanges: Sequence[Exchange], injury: Injury, after: float) -> float | None:
    """Return the share of 302s among the clicks to be sent from `after` seconds past the fault's end.

    The client's rate is constant, so it is the share of the earlier rate too. None without clicks.
    """
    clicks = [
        each for each in exchanges if each.kind == "click" and each.meant >= injury.over + after
    ]
    return sum(each.acknowledged for each in clicks) / len(clicks) if clicks else None


def counted_again(samples: Sequence[Sample], injury: Injury) -> float | None:
    """Return the seconds from the fault's end until more clicks stood counted; None when never.

    Compared with the first look after the end: what was under way when the relay was killed may
    still have been committed.
    """
    after = [sample for sample in samples if sample.at >= injury.over]
    more = [sample.at for sample in after if sample.counted > after[0].counted]
    return more[0] - injury.over if more else None
