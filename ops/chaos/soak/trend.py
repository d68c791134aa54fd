"""What came of a soak: what grew, by how much an hour, and whether redirects became slower. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from ops.chaos.scenario import Side
from ops.chaos.soak.look import Look, Process
from tests.oracle.availability import Injury
from tests.oracle.exchange import Exchange

HOUR = 3600.0

ENDS = 10
"""Beats at the beginning and at the end that are compared."""

AFTERMATH = 3.0
"""Seconds after a fault that are left out of the times; redirects are what they were by then."""

LIVED = 5
"""Looks that a process must have lived through for its slope to say anything."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """One process from its first look to its last; seconds from the first look of all, memory in KiB."""

    side: Side
    began: float
    seconds: float
    looks: int
    first: int
    last: int
    slope: float
    """KiB an hour, by least squares."""


@dataclass(frozen=True, slots=True)
class Growth:
    """All processes of one side; memory in KiB."""

    side: Side
    lives: int
    mean: float
    most: int
    slope: float | None
    """KiB an hour among looks at processes of the same age; None when no two were."""
    descriptors: tuple[int, int, int]
    """At the first look, at the last, and at most."""


@dataclass(frozen=True, slots=True)
class Beat:
    """From one look to the next: its faults, and the calm clicks' times in seconds."""

    at: float
    faults: tuple[str, ...]
    clicks: int
    p50: float
    p99: float
    look: Look
    """The one at its end."""


@dataclass(frozen=True, slots=True)
class Soak:
    """A soak, summed up."""

    beat: float
    first: Look
    beats: tuple[Beat, ...]
    growths: tuple[Growth, ...]
    lifetimes: tuple[Lifetime, ...]
    p99: tuple[float, float]
    """Of all calm clicks of the first beats and of the last ones, `ENDS` or half of them."""

    @property
    def looks(self) -> tuple[Look, ...]:
        """All of them, in order."""
        return (self.first, *(beat.look for beat in self.beats))

    @property
    def drift(self) -> float:
        """The p99 of the last beats as a multiple of the first ones'."""
        return self.p99[1] / self.p99[0] if self.p99[0] else 1.0


def soak(
    beat: float,
    looks: Sequence[Look],
    exchanges: Iterable[Exchange],
    injuries: Sequence[Injury],
) -> Soak:
    """Sum up. Raises ValueError when there are fewer than two looks."""
    if len(looks) < 2:
        raise ValueError("a soak needs two looks")
    times = _calm(exchanges, [look.at for look in looks], injuries)
    beats = tuple(
        Beat(
            at=before.at - looks[0].at,
            faults=tuple(each.fault for each in injuries if before.at <= each.began < after.at),
            clicks=len(seconds),
            p50=quantile(seconds, 0.5),
            p99=quantile(seconds, 0.99),
            look=after,
        )
        for (before, after), seconds in zip(pairwise(looks), times, strict=True)
    )
    ends = max(1, min(ENDS, len(times) // 2))
    first, last = (
        quantile(sorted(second for seconds in part for second in seconds), 0.99)
        for part in (times[:ends], times[-ends:])
    )
    sides: tuple[Side, ...] = ("service", "relay")
    return Soak(
        beat=beat,
        first=looks[0],
        beats=beats,
        growths=tuple(_growth(side, beat, looks) for side in sides),
        lifetimes=tuple(each for side in sides for each in _lifetimes(side, looks)),
        p99=(first, last),
    )


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope of the least squares line; None when all stand at one place."""
    return slope_within([points])


def slope_within(groups: Iterable[Sequence[tuple[float, float]]]) -> float | None:
    """Return the least squares slope that groups have in common, each at a level of its own.

    None when no group has two points apart.
    """
    above = below = 0.0
    for points in groups:
        if not points:
            continue
        x, y = fmean(at for at, _ in points), fmean(value for _, value in points)
        above += sum((at - x) * (value - y) for at, value in points)
        below += sum((at - x) ** 2 for at, _ in points)
    return above / below if below else None


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values; 0 of none."""
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def _calm(
    exchanges: Iterable[Exchange], bounds: Sequence[float], injuries: Sequence[Injury]
) -> list[list[float]]:
    """Return the sorted seconds of the clicks between each two bounds that met no fault."""
    found: list[list[float]] = [[] for _ in pairwise(bounds)]
    at = fault = 0
    # Both are in order of time: one pass over the million will do.
    for each in exchanges:
        while at < len(found) and each.meant >= bounds[at + 1]:
            at += 1
        while fault < len(injuries) and each.meant > injuries[fault].over + AFTERMATH:
            fault += 1
        if at == len(found) or each.meant < bounds[0] or not each.acknowledged:
            continue
        if fault == len(injuries) or each.ended < injuries[fault].began:
            found[at].append(each.seconds)
    return [sorted(seconds) for seconds in found]


def _seen(side: Side, looks: Sequence[Look]) -> list[tuple[float, Process]]:
    """Return each look at a process of a side, and when it was, in seconds from the first of all."""
    return [
        (look.at - looks[0].at, process)
        for look in looks
        for process in look.processes
        if process.side == side
    ]


def _growth(side: Side, beat: float, looks: Sequence[Look]) -> Growth:
    seen = _seen(side, looks)
    ages: dict[int, list[tuple[float, float]]] = {}
    for at, process in seen:
        ages.setdefault(round(process.age / beat), []).append((at, process.rss))
    common = slope_within(ages.values())
    open_files = [process.descriptors for _, process in seen] or [0]
    return Growth(
        side=side,
        lives=len({process.pid for _, process in seen}),
        mean=fmean(process.rss for _, process in seen) if seen else 0.0,
        most=max((process.rss for _, process in seen), default=0),
        slope=None if common is None else common * HOUR,
        descriptors=(open_files[0], open_files[-1], max(open_files)),
    )


def _lifetimes(side: Side, looks: Sequence[Look]) -> list[Lifetime]:
    """Return those that lived long enough; the first look at a young process is none yet."""
    lives: dict[int, list[tuple[float, Process]]] = {}
    for at, process in _seen(side, looks):
        lives.setdefault(process.pid, []).append((at, process))
    found = []
    for seen in lives.values():
        points = [(at, float(process.rss)) for at, process in seen]
        if len(points) < LIVED or (steep := slope(points[1:])) is None:
            continue
        (began, first), (ended, last) = seen[0], seen[-1]
        found.append(
            Lifetime(side, began, ended - began, len(points), first.rss, last.rss, steep * HOUR)
        )
    return found
