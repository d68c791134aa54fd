"""A figure: what was measured, beside its reference and its target. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import Literal, Self

Bound = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Several rounds of one measurement: their median, the least and the greatest."""

    median: float
    least: float
    greatest: float
    rounds: tuple[float, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Raises ValueError when there is no value."""
        if not values:
            raise ValueError("no round was measured")
        return cls(median(values), min(values), max(values), tuple(values))


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure has to reach: its ratio where it has a reference, else its value."""

    bound: Bound
    limit: float

    def holds(self, value: float) -> bool:
        """Tell whether a value reaches the target."""
        return value >= self.limit if self.bound == "at least" else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.bound == 'at least' else '≤'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report; `note` says what a reader has to know to judge it."""

    name: str
    unit: str
    value: Spread
    reference: str | None = None
    reference_value: Spread | None = None
    ratio: Spread | None = None
    target: Target | None = None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the median reaches the target; None without one."""
        if self.target is None:
            return None
        return self.target.holds((self.ratio or self.value).median)


def alone(
    name: str,
    unit: str,
    values: Sequence[float],
    *,
    target: Target | None = None,
    note: str = "",
) -> Figure:
    """Return a figure that is judged by itself."""
    return Figure(name, unit, Spread.of(values), target=target, note=note)


def compared(
    name: str,
    unit: str,
    values: Sequence[float],
    reference: str,
    others: Sequence[float],
    *,
    target: Target | None = None,
    note: str = "",
) -> Figure:
    """Return a figure divided by its reference, round by round: `values[i] / others[i]`."""
    return Figure(
        name,
        unit,
        Spread.of(values),
        reference,
        Spread.of(others),
        Spread.of([ours / theirs for ours, theirs in zip(values, others, strict=True)]),
        target,
        note,
    )


def at_least(limit: float) -> Target:
    """Return the target of a figure that should be large."""
    return Target("at least", limit)


def at_most(limit: float) -> Target:
    """Return the target of a figure that should be small."""
    return Target("at most", limit)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of the sorted values do not exceed (nearest rank).

    Raises ValueError when there is none.
    """
    if not ordered:
        raise ValueError("no value to take a percentile of")
    return ordered[max(ceil(len(ordered) * percent / 100) - 1, 0)]
