"""What a load generator reports."""

from __future__ import annotations

from dataclasses import dataclass

from ops.bench.errors import BenchError


@dataclass(frozen=True, slots=True)
class Load:
    """One stretch of load. Latencies in milliseconds, of the answered requests.

    `answered` requests got the status that was asked for, `failed` ones another or none.
    """

    seconds: float
    answered: int
    failed: int
    p50: float
    p95: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds

    def whole(self) -> Load:
        """Return itself. Raises BenchError when requests failed: such a rate compares to nothing."""
        if self.failed or not self.answered:
            raise BenchError(f"{self.failed} requests failed, {self.answered} were answered.")
        return self
