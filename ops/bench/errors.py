"""What can go wrong in a measurement.

BenchError                the measurement could not be made; says why
└── ClicksLost            fewer rows than acknowledged clicks: the promise itself is broken
"""

from __future__ import annotations


class BenchError(Exception):
    """A measurement could not be made."""


class ClicksLost(BenchError):
    """The database holds fewer clicks than were acknowledged."""

    def __init__(self, acknowledged: int, found: int) -> None:
        super().__init__(
            f"CLICKS LOST: {acknowledged} were acknowledged, the database holds {found}."
        )
        self.acknowledged = acknowledged
        self.found = found
