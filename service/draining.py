"""Leaving without a lost request: what a process does between SIGTERM and its end.

A keep-alive connection can be closed in one way only that loses nothing: by an answer that says
so. Each answer does from the moment the process is asked to leave. A connection on which nobody
asks is idle, and closed after a while.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

HANDSHAKE = 0.2
"""Seconds the listeners stay open for handshakes under way: a round trip, generously."""

LINGER = 1.0
"""Seconds without a request after which a connection counts as idle."""

LOOK = 0.02
"""Seconds between two looks at whether all have left."""


class Draining:
    """Whether this process is leaving: then each answer is the last of its connection."""

    def __init__(self) -> None:
        self.begun = False

    async def run(self, runner: web.AppRunner, within: float) -> None:
        """Return once the listeners are closed and each connection left is in the midst of a request.

        Those are for the runner's cleanup, which waits for them and closes what is idle. It may
        take `rest(within)`, so that all of it together takes `within` seconds.
        """
        self.begun = True
        await asyncio.sleep(_handshake(within))
        for site in runner.sites:
            await site.stop()
        server = runner.server
        clock = asyncio.get_running_loop().time
        until = clock() + _linger(within)
        while server is not None and server.connections and clock() < until:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(LOOK)


def rest(within: float) -> float:
    """Return the seconds that are left, of `within`, for the requests in hand."""
    return within - _handshake(within) - _linger(within)


def _handshake(within: float) -> float:
    return min(HANDSHAKE, within / 10)


def _linger(within: float) -> float:
    return min(LINGER, within / 5)
