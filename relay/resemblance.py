"""What events that were refused have in common, and no others. Pure."""

from __future__ import annotations

from collections.abc import Sequence

SHARED = 2
"""Refused events that must share a trait: what one alone has tells nothing of those to come."""

MOST = 100
"""Traits that are avoided, at most: each event that waits is compared with all of them."""


class Resemblance:
    """Learns from events that were tried one by one what those that are refused look like.

    What refuses an event mostly looks at something that many have: the link, where the click came
    from, the browser. `tried` is how many events it has seen.
    """

    def __init__(self) -> None:
        self.tried = 0
        self._passed: set[int] = set()
        self._refused: dict[int, set[int]] = {}
        self._refusals = 0

    def learn(self, traits: Sequence[int], *, refused: bool) -> None:
        """Note an event's traits and what became of it."""
        self.tried += 1
        if not refused:
            self._passed.update(traits)
            return
        self._refusals += 1
        for trait in traits:
            self._refused.setdefault(trait, set()).add(self._refusals)

    def avoided(self) -> frozenset[int]:
        """Return a few traits that refused events have and others have not.

        Every refused event has one of them; none are returned when that cannot be had: a batch
        without them would be refused all the same.
        """
        chosen: set[int] = set()
        explained: set[int] = set()
        commonest = sorted(self._refused.items(), key=lambda each: len(each[1]), reverse=True)
        for trait, refusals in commonest:
            if len(refusals) < SHARED or trait in self._passed or refusals <= explained:
                continue
            chosen.add(trait)
            explained |= refusals
        found = len(explained) == self._refusals and len(chosen) <= MOST
        return frozenset(chosen if found else ())
