"""Codes asked for that no link has, counted by address in this process's memory. Pure."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from service.allowances import Limit, Taken, neighbourhood, take

ADDRESSES = 10_000
"""Addresses kept; whoever has missed least lately is forgotten first."""


class Misses:
    """How often each address may miss, `limit` of at least 1 a minute."""

    def __init__(self, limit: int) -> None:
        self._limit = Limit(limit, timedelta(minutes=1))
        self._full_at: OrderedDict[str, datetime] = OrderedDict()

    def missed(self, address: str, at: datetime) -> Taken:
        """Count a miss; it tells whether it was still within the limit."""
        whose = neighbourhood(address)
        taken = take(self._limit, self._full_at.get(whose), at)
        self._full_at[whose] = taken.full_at
        self._full_at.move_to_end(whose)
        if len(self._full_at) > ADDRESSES:
            self._full_at.popitem(last=False)
        return taken
