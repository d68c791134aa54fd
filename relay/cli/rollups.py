"""verify, rebuild: that the numbers shown are the clicks there are."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import psycopg
from psycopg import AsyncConnection

from relay.cli.session import with_connection
from relay.store.rollups import (
    rollups_lock,
    rollups_rebuild,
    rollups_verify,
    verification_record,
)
from service.contract.process import FAILED, OK, say

PATIENCE = 30
"""Tries, about a second each, to find the rollups at rest before a rebuild gives up."""


def verify() -> int:
    """Compare every rollup with the clicks; exit 1 and print each difference if there is any."""

    async def work(connection: AsyncConnection) -> int:
        differences = 0
        async for found in rollups_verify(connection):
            if not differences:
                print("link_id\thour\trollup\tclicks")
            print(f"{found.link_id}\t{found.hour.isoformat()}\t{found.rollup}\t{found.clicks}")
            differences += 1
        # Whoever may only read can verify too.
        with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
            await verification_record(connection, differences)
        return differences

    differences = with_connection(work)
    if differences:
        say(f"{differences} hours differ. To mend them: python -m relay rebuild")
        return FAILED
    say("Rollups and clicks are equal.")
    return OK


def rebuild() -> int:
    """Recompute the rollups from the clicks; redirects go on meanwhile, relays wait."""

    async def work(connection: AsyncConnection) -> int:
        for _ in range(PATIENCE):
            try:
                async with connection.transaction():
                    await rollups_lock(connection)
                    return await rollups_rebuild(connection)
            except psycopg.errors.LockNotAvailable:
                await asyncio.sleep(0.1)
        return -1

    changed = with_connection(work)
    if changed < 0:
        say("A relay's batch has not ended for half a minute; nothing was changed. Try again.")
        return FAILED
    say(f"Rollups rebuilt: {changed} hours changed.")
    return OK
