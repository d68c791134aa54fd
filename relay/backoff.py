"""How long a failed event waits for its next handling."""

from __future__ import annotations

LONGEST = 3600.0
"""Seconds beyond which the delay no longer doubles: a mended cause is noticed within the hour."""

JITTER = 0.2
"""A delay is spread by this share to either side, so that events that failed together do not all
come back together. Below 1/3, so that with doubling each delay is longer than the one before."""


def delay(attempts: int, base: float, chance: float) -> float:
    """Return the seconds to wait after the `attempts`-th failure; `chance` is uniform in [0, 1)."""
    # The exponent is bounded before the power is taken: 2**1000 is no float.
    doubled = min(base * 2.0 ** min(attempts - 1, 64), LONGEST)
    return doubled * (1 - JITTER + 2 * JITTER * chance)
