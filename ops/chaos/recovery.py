"""How long each fault was felt, for those that were over before the next one began. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest

from ops.chaos.result import NEVER
from tests.oracle.availability import Injury


def recoveries(
    injuries: Sequence[Injury], measure: Callable[[Injury], float | None]
) -> list[float]:
    """Return the seconds from each fault's end to what `measure` looks for.

    A fault that was still felt when the next one struck is left out: what came then is that one's
    doing. The last one has no such excuse, and is NEVER over when nothing was found.
    """
    found = []
    for injury, following in zip_longest(injuries, injuries[1:]):
        seconds = measure(injury)
        if following is None:
            found.append(NEVER if seconds is None else seconds)
        elif seconds is not None and injury.over + seconds <= following.began:
            found.append(seconds)
    return found
