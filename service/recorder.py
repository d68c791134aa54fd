"""Records clicks: a redirect waits here until its click is durably committed, or for so long."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import count

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from service.contract.events import Click
from service.contract.observations import DatabaseUnavailable, Observer
from service.contract.outbox import Resolved, click_record, link_resolve
from service.errors import Unavailable

DEADLINE = 2.5
"""Seconds until a redirect gives up and answers 503; clients are promised an answer within 3."""

PAUSE = 0.02
"""Seconds before the second try, doubling: a restarted database has every pooled connection dead
once, and a redirect may meet several of them."""


class Recorder:
    """Looks links up and records their clicks through a pool of connections."""

    def __init__(self, pool: AsyncConnectionPool, observe: Observer) -> None:
        self._pool = pool
        self._observe = observe

    async def record(self, code: str, click: Click) -> Resolved | None:
        """Return where `code` leads, its click committed when the link is live; None when unknown.

        Raises Unavailable after DEADLINE at the latest. The click may then be recorded or not,
        but never twice: every try carries the same message_id.
        """
        return await self._bounded(self._record(code, click))

    async def resolve(self, code: str) -> Resolved | None:
        """Return where `code` leads and record nothing. Raises Unavailable like `record`."""
        return await self._bounded(self._record(code, None))

    async def _bounded(self, work: Coroutine[None, None, Resolved | None]) -> Resolved | None:
        # asyncio.timeout would wait for psycopg to cancel the query, and that too can hang when
        # the server does. The try is left behind instead; the pool bounds how many there can be.
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=DEADLINE)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if done:
            return task.result()
        task.add_done_callback(_retrieve)
        task.cancel()
        self._observe(DatabaseUnavailable(doing="redirect", error=f"no commit in {DEADLINE} s"))
        raise Unavailable("The click could not be recorded in time; try again.")

    async def _record(self, code: str, click: Click | None) -> Resolved | None:
        for tries in count():
            try:
                async with self._pool.connection() as connection:
                    if click is None:
                        return await link_resolve(connection, code)
                    return await click_record(connection, code, click)
            except (PoolTimeout, TooManyRequests, PoolClosed) as error:
                raise self._unavailable(error) from error
            except psycopg.OperationalError:
                # A lost connection, or a COMMIT whose answer was lost: the same id makes it safe.
                await asyncio.sleep(PAUSE * 2**tries)
            except psycopg.Error as error:
                raise self._unavailable(error) from error
        raise AssertionError("the loop above has no end of its own")

    def _unavailable(self, error: Exception) -> Unavailable:
        self._observe(DatabaseUnavailable(doing="redirect", error=str(error).strip()))
        return Unavailable("The click could not be recorded; try again.")


def _retrieve(task: asyncio.Future[Resolved | None]) -> None:
    if not task.cancelled():
        task.exception()
