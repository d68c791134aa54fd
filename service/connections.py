"""A request's connections to the database, and how long it may wait for them in all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from aiohttp import web
from psycopg import AsyncConnection

from service.errors import Unavailable
from service.lifespan import PASSWORDS, POOL
from service.passwords import Passwords

SECONDS = 2.5
"""Time a request may spend on the database and on hashing, waiting for either included. The server has
bounded.PARTING more to end what is under way, and the answer comes within 3 s."""

UNAVAILABLE = (
    psycopg.OperationalError,  # lost, refused, too many, shut down, cancelled; the pool's too
    psycopg.errors.ReadOnlySqlTransaction,  # a standby that is not (or no longer) the primary
    psycopg.errors.UndefinedTable,  # not migrated yet: /readyz says so in words
    TimeoutError,
)
"""What it looks like when the database cannot do its work now but may later."""

_LEFT: web.RequestKey[float] = web.RequestKey("database_seconds_left", float)


@asynccontextmanager
async def connection(request: web.Request) -> AsyncIterator[AsyncConnection]:
    """Yield an autocommit connection of the pool.

    Raises Unavailable or one of UNAVAILABLE once the request has spent SECONDS inside.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    left = request.get(_LEFT, SECONDS)
    if left <= 0:
        raise Unavailable
    try:
        async with request.app[POOL].connection(timeout=left) as held:
            deadline = loop.call_at(started + left, held.end)
            try:
                yield held
            finally:
                deadline.cancel()
                held.close_ended()
    finally:
        request[_LEFT] = left - (loop.time() - started)


@asynccontextmanager
async def hashing(request: web.Request) -> AsyncIterator[Passwords]:
    """Yield what hashes passwords, for as long as the request may still take.

    Raises Unavailable once it has spent SECONDS here and on connections.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    left = request.get(_LEFT, SECONDS)
    try:
        async with asyncio.timeout(left):
            yield request.app[PASSWORDS]
    except TimeoutError as error:
        raise Unavailable("Too many passwords are being checked; try again.") from error
    finally:
        request[_LEFT] = left - (loop.time() - started)
