"""The servers that a connection string names, and which of them is tried first.

A failover leaves a connection string with a host that refuses, is read-only, or does not answer at
all. psycopg tries one after another and gives each its whole connect_timeout, on every connect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, pq
from psycopg.conninfo import conninfo_attempts_async, conninfo_to_dict, make_conninfo

HEAD_START = 0.5
"""Seconds a server has to itself before the next one is tried beside it."""

RESOLVE_SECONDS = 2.0
"""Seconds that looking up the names of the hosts may take."""

C = TypeVar("C", bound=AsyncConnection)

Attempt = Mapping[str, Any]
"""The connection parameters of one address of one host."""


class Servers:
    """Connects to one of several servers; the one that was used last is tried first.

    Shared by all connections of a process: after a failover one of them finds the new server.
    """

    def __init__(self) -> None:
        self._used: tuple[object, ...] | None = None

    async def connect(self, conninfo: str, connect: Callable[[str], Awaitable[C]]) -> C:
        """Return the first connection that `connect` makes to a server that can be used.

        Where there are several, only one that accepts writes can be used, unless the string says
        otherwise by target_session_attrs. Raises psycopg.OperationalError when there is none.
        """
        attempts = await _attempts(conninfo)
        if len(attempts) == 1:
            return await connect(conninfo)
        defaults = _defaults()
        balanced = attempts[0].get("load_balance_hosts", defaults["load_balance_hosts"])
        if balanced != "random":
            attempts.sort(key=lambda attempt: _address(attempt) != self._used)
        if defaults["target_session_attrs"] == "any":
            attempts = [{"target_session_attrs": "read-write", **attempt} for attempt in attempts]
        attempt, connection = await _race(attempts, connect)
        self._used = _address(attempt)
        return connection


async def _attempts(conninfo: str) -> list[Attempt]:
    """Return an attempt for each address, in the order of the string."""
    given = conninfo_to_dict(conninfo)
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await conninfo_attempts_async(given)
    except TimeoutError:
        raise psycopg.OperationalError(
            f"the host names were not resolved within {RESOLVE_SECONDS:g} s"
        ) from None
    return list(found)


async def _race(
    attempts: list[Attempt], connect: Callable[[str], Awaitable[C]]
) -> tuple[Attempt, C]:
    """Begin the attempts in turn, each HEAD_START after the one before or as soon as one has failed;
    return the first that succeeds and end the others.
    """
    waiting, failures = list(attempts), list[str]()
    tasks: dict[asyncio.Future[C], Attempt] = {}
    try:
        while waiting or tasks:
            if waiting:
                attempt = waiting.pop(0)
                tasks[asyncio.ensure_future(connect(make_conninfo("", **attempt)))] = attempt
            done, _ = await asyncio.wait(
                tasks,
                timeout=HEAD_START if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                attempt = tasks.pop(task)
                try:
                    return attempt, task.result()
                except psycopg.OperationalError as error:
                    failures.append(f"{_words(attempt)}: {str(error).strip()}")
    finally:
        await _end(list(tasks))
    raise psycopg.OperationalError("no server can be used\n" + "\n".join(failures))


def _defaults() -> dict[str, str | None]:
    """Return what libpq takes for each parameter that is not given: the PG* variables, its own."""
    return {
        option.keyword.decode(): option.val.decode() if option.val is not None else None
        for option in pq.Conninfo.get_defaults()
    }


async def _end(tasks: list[asyncio.Future[C]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, AsyncConnection):
            # It was made in the same moment as the one that is used.
            await result.close()


def _address(attempt: Attempt) -> tuple[object, ...]:
    return tuple(attempt.get(name) for name in ("host", "hostaddr", "port"))


def _words(attempt: Attempt) -> str:
    host, address, port = _address(attempt)
    where = f"{host} ({address})" if host and address and host != address else f"{host or address}"
    return f"{where}, port {port or 'default'}"
