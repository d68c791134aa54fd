"""How long a failed event waits for its next handling."""

from __future__ import annotations

LONGEST = 3600.0
"""Seconds beyond which the delay no longer doubles: a mended cause is noticed within the hour."""

DOUBLINGS = 64
"""The delay doubles no more often; LONGEST is reached long before, unless the base is next to nothing."""

JITTER = 0.2
"""A delay is spread by this share to either side, so that events that failed together do not all
come back together. Below 1/3, so that with doubling each delay is longer than the one before."""


ASIDE = 1.0
"""Seconds an event steps aside for, without an attempt, when it alone meets a passing error."""


def longest_waits(base: float) -> list[float]:
    """Return the longest wait in seconds by the number of attempts; more attempts wait as the last.

    An event that waits longer was given its time by a clock that has been set back since.
    """
    waits = [ASIDE]
    for doublings in range(DOUBLINGS + 1):
        doubled = min(base * 2.0**doublings, LONGEST)
        waits.append(max(doubled * (1 + JITTER), ASIDE))
        if doubled in (0, LONGEST):
            break
    return waits


def delay(attempts: int, base: float, chance: float) -> float:
    """Return the seconds to wait after the `attempts`-th failure; `chance` is uniform in [0, 1)."""
    # The exponent is bounded before the power is taken: 2**1000 is no float.
    doubled = min(base * 2.0 ** min(attempts - 1, DOUBLINGS), LONGEST)
    return doubled * (1 - JITTER + 2 * JITTER * chance)
