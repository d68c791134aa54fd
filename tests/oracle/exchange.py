"""One request of the client, and what it saw of the answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

NOTHING = 0
"""Stands for the status of a request that was sent, and got no complete response."""

UNSENT = -1
"""Stands for the status of a request that never left: no connection, or none in time."""

Kind = Literal["click", "head", "unknown", "gone"]
"""What is asked for: a live link; one with HEAD; a code that no link has; a link not live."""


@dataclass(slots=True)
class Exchange:
    """A request with the mark `chk/RUN/NUMBER`; times on the monotonic clock, in seconds."""

    number: int
    kind: Kind
    meant: float
    """When it was to be sent."""
    started: float = 0.0
    """When it was."""
    ended: float = 0.0
    status: int = UNSENT
    retry_after: bool = False

    @property
    def acknowledged(self) -> bool:
        """Whether its click was promised to be stored."""
        return self.kind == "click" and self.status == 302

    @property
    def broken(self) -> bool:
        """Whether it got an answer that nobody should ever get."""
        return self.status >= 500 and self.status != 503

    @property
    def seconds(self) -> float:
        """From when it was meant to be sent to its answer, as its user would count."""
        return self.ended - self.meant


def mark(run: str, number: int) -> str:
    """Return the User-Agent that a request carries."""
    return f"chk/{run}/{number}"


def statuses(exchanges: Iterable[Exchange]) -> dict[int, int]:
    """Return how many exchanges there are of each status, sorted."""
    counted: dict[int, int] = {}
    for exchange in exchanges:
        counted[exchange.status] = counted.get(exchange.status, 0) + 1
    return dict(sorted(counted.items()))
