"""What came of a scenario, and of all of them together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from ops.chaos.scenario import Holds
from ops.chaos.soak.trend import Soak
from tests.oracle.availability import Availability
from tests.oracle.checks import Finding
from tests.oracle.client import CONNECTIONS


@dataclass(frozen=True, slots=True)
class Target:
    """Something that must hold, and what was measured."""

    what: str
    measured: float
    bound: float
    least: bool = False
    """Whether the bound is the least that will do."""

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.measured >= self.bound if self.least else self.measured <= self.bound


SWELLS = 0.05
"""Share of its memory by which a process may grow in an hour, compared at the same age."""

DRIFTS = 1.1
"""The p99 of a soak's end, as a multiple of its beginning's."""

LEFT_OPEN = 20 + CONNECTIONS
"""Descriptors that may come: a pool grows to its size, a worker that stays gets all the clients."""

NEVER = float("inf")
"""Stands for the seconds to something that did not happen."""


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario, played. Times in seconds."""

    name: str
    what: str
    seconds: float
    injected: Mapping[str, int]
    requests: int
    acknowledged: int
    seen: Availability
    findings: Sequence[Finding]
    """What each check found, those that found nothing too."""
    found_again: Sequence[float]
    counted_again: Sequence[float]
    settled: float | None
    """Share of 302s once the last fault was over for a while."""
    growth: int
    """Descriptors that a process had more at the end than before the first fault, at most."""
    drained: float
    deadlocks: int
    complaints: int
    """Traces in the logs."""
    exits: Sequence[int | None]
    """How the processes ended when asked to."""
    fallen: Sequence[int]
    """The exit codes of those that ended although nobody had killed or ended them."""
    targets: Sequence[Target] = field(default=())
    evidence: str | None = None
    soak: Soak | None = None
    """What grew; None: nobody looked."""

    def number(self, what: str) -> int:
        """How many of these the checks found."""
        return sum(finding.number for finding in self.findings if finding.what == what)

    @property
    def hung(self) -> Sequence[str]:
        """What did not come again after the last fault, although it was waited for."""
        measured = {"302": self.found_again, "click counted": self.counted_again}
        return [what for what, seconds in measured.items() if NEVER in seconds]

    @property
    def sound(self) -> bool:
        """Whether every invariant held, and everything came again. How soon does not matter here."""
        return not any(self.findings) and not self.seen.broken and not self.hung

    @property
    def punctual(self) -> bool:
        """Whether every target was reached too."""
        return all(target.holds for target in self.targets)

    @property
    def remarkable(self) -> bool:
        """Whether somebody will want to see the logs: unsound, a trace, a process that fell."""
        return not self.sound or self.complaints > 0 or len(self.fallen) > 0


def targets(result: Result, holds: Holds) -> list[Target]:
    """Return what had to hold, as far as it was asked for and could be measured."""
    found = [Target("traces in logs", result.complaints, holds.traces)]
    found.append(Target("deadlocks", result.deadlocks, 0))
    found.append(Target("503 without Retry-After", result.seen.hopeless, 0))
    found.append(Target("processes that fell by themselves", len(result.fallen), 0))
    found.append(Target("unclean ends", sum(code != 0 for code in result.exits), 0))
    found.append(Target("seconds to an empty outbox", result.drained, holds.drained))
    found.append(Target("descriptors left open", result.growth, LEFT_OPEN))
    if holds.settled is not None and result.settled is not None:
        found.append(Target("share of 302, settled", result.settled, holds.settled, least=True))
    if holds.slowest is not None:
        found.append(Target("slowest answer", result.seen.slowest, holds.slowest))
    if holds.found is not None:
        found.append(Target("share of 302", result.seen.found, holds.found, least=True))
    if holds.found_again is not None and result.found_again:
        found.append(Target("302 again", max(result.found_again), holds.found_again))
    if holds.counted_again is not None and result.counted_again:
        found.append(Target("counted again", max(result.counted_again), holds.counted_again))
    if result.soak is not None:
        found += [
            Target(f"growth of the {each.side} in an hour", each.slope / each.mean, SWELLS)
            for each in result.soak.growths
            if each.slope is not None
        ]
        found.append(Target("p99 of the end to the beginning", result.soak.drift, DRIFTS))
    return found


@dataclass(frozen=True, slots=True)
class Whole:
    """All scenarios together."""

    injected: Mapping[str, int]
    requests: int
    acknowledged: int
    lost: int
    doubled: int
    phantoms: int
    rollup_differences: int
    broken: int
    sound: bool
    found_again: tuple[float, float] | None
    """Median and worst."""
    counted_again: tuple[float, float] | None

    @property
    def faults(self) -> int:
        """How many faults there were."""
        return sum(self.injected.values())

    @property
    def upper_bound(self) -> float:
        """The rate of loss that this many acknowledged clicks without one exclude at 95 %.

        The rule of three: 0 of n means less than 3/n.
        """
        return 3 / self.acknowledged if self.acknowledged else 1.0


def whole(results: Iterable[Result]) -> Whole:
    """Sum up."""
    results = list(results)
    injected: Counter[str] = Counter()
    for result in results:
        injected.update(result.injected)
    return Whole(
        injected={kind: number for kind, number in sorted(injected.items()) if number},
        requests=sum(result.requests for result in results),
        acknowledged=sum(result.acknowledged for result in results),
        lost=sum(result.number("lost") for result in results),
        doubled=sum(result.number("doubled") for result in results),
        phantoms=sum(result.number("phantoms") for result in results),
        rollup_differences=sum(result.number("rollup differences") for result in results),
        broken=sum(result.seen.broken for result in results),
        sound=all(result.sound for result in results),
        found_again=_spread([each for result in results for each in result.found_again]),
        counted_again=_spread([each for result in results for each in result.counted_again]),
    )


def _spread(seconds: Sequence[float]) -> tuple[float, float] | None:
    return (median(seconds), max(seconds)) if seconds else None
