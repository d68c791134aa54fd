"""How often a line of one kind is logged: the first at once, the others summed up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.contract.observations import (
    BatchMoved,
    ConnectionsCut,
    DatabaseReady,
    DatabaseRefused,
    DatabaseUnavailable,
    EventBuried,
    EventFailed,
    EventSetAside,
    JobFailed,
    LinkPurged,
    Observation,
    PartitionRefused,
    RequestFailed,
)

SECOND, MINUTE = 1.0, 60.0

CAUSES = 100
"""Causes told apart at a time; what comes beyond them is summed up by kind alone."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one kind: `by` are the fields that tell one cause from another, `added` the numbers that
    are added up. Of all other fields the sum has the last one's.

    A sum is told a second after the first; while more keep coming, after twice as long each time,
    up to `longest`.
    """

    by: Sequence[str] = ()
    added: Sequence[str] = ()
    longest: float = SECOND


@dataclass(frozen=True, slots=True)
class LibraryLine:
    """What a library logged, by the name of its logger; `error`, if any, carries the trace."""

    logger: str
    level: str
    message: str
    error: BaseException | None = None


Told = Observation | LibraryLine
"""What becomes a line, or a part of one."""

LIMITS: dict[type[Any], Limit] = {
    LibraryLine: Limit(by=("logger", "message"), longest=MINUTE),
    BatchMoved: Limit(
        added=("claimed", "moved", "duplicates", "orphans", "retried", "buried", "seconds")
    ),
    EventFailed: Limit(),
    EventBuried: Limit(),
    EventSetAside: Limit(),
    LinkPurged: Limit(added=("clicks",)),
    ConnectionsCut: Limit(by=("reason",), added=("number",)),
    RequestFailed: Limit(by=("route", "error"), longest=MINUTE),
    JobFailed: Limit(by=("job", "error"), added=("times",), longest=MINUTE),
    DatabaseUnavailable: Limit(by=("doing", "error"), longest=MINUTE),
    DatabaseRefused: Limit(by=("doing", "error"), longest=MINUTE),
    DatabaseReady: Limit(longest=MINUTE),
    PartitionRefused: Limit(by=("month", "error"), longest=MINUTE),
}
"""What may come at the rate of traffic or of failures. Everything else is told each time."""


@dataclass(slots=True)
class _Window:
    """From a line to the next one of its kind; `last` and `times` are what came meanwhile."""

    seconds: float
    until: float
    last: Told | None = None
    times: int = 0


class LogLimiter:
    """Decides which observations are logged at once, and sums up the others."""

    def __init__(self) -> None:
        self._windows: dict[tuple[object, ...], _Window] = {}

    def admit(self, observation: Told, now: float) -> bool:
        """Whether to log it now; if not, it becomes part of the next sum."""
        kind = type(observation)
        limit = LIMITS.get(kind)
        if limit is None:
            return True
        key: tuple[object, ...] = (kind, *(_cause(observation, name) for name in limit.by))
        if key not in self._windows and len(self._windows) >= CAUSES:
            key = (kind,)
        window = self._windows.get(key)
        if window is None:
            self._windows[key] = _Window(SECOND, now + SECOND)
            return True
        if window.last is not None and limit.added:
            sums = {n: getattr(window.last, n) + getattr(observation, n) for n in limit.added}
            observation = replace(observation, **sums)
        window.last = observation
        window.times += 1
        return False

    def due(self, now: float) -> list[tuple[Told, int]]:
        """Return each sum whose time has come, with how many observations it stands for."""
        sums = []
        for key, window in list(self._windows.items()):
            if window.until > now:
                continue
            if window.last is None:
                # None came for a whole window: the next one is told at once again.
                del self._windows[key]
                continue
            sums.append((window.last, window.times))
            seconds = min(window.seconds * 2, LIMITS[type(window.last)].longest)
            self._windows[key] = _Window(seconds, now + seconds)
        return sums

    def pause(self, now: float) -> float | None:
        """Return the seconds until the next sum may be due; None when none can be."""
        ends = [window.until for window in self._windows.values()]
        return max(0.0, min(ends) - now) if ends else None


def _cause(observation: Told, name: str) -> object:
    value = getattr(observation, name)
    if isinstance(value, BaseException):
        return type(value), getattr(value, "sqlstate", None)
    # Ports, pids and counts in a text make it no other error.
    return value.translate(_NO_DIGITS) if name in {"error", "message"} else value


_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))
