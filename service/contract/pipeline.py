"""How the pipeline stands: measured by relay and service alike, so that neither alone is relied on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic, time

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.contract import statements
from service.contract.observations import Observer, PipelineMeasured
from service.contract.postgres import Database
from service.contract.session import LIVELY, Session
from service.contract.transience import observation

_SQL = statements.load("service.contract")

SESSION: Session = {**LIVELY, "statement_timeout": "4s"}

COUNTED = 100_000
"""Rows that are counted, at most: more are shown as so many."""

BEAT_SECONDS = 5.0
"""Seconds between two heartbeats of a relay."""

SILENT_SECONDS = 3 * BEAT_SECONDS
"""Seconds without a heartbeat after which a relay does not count as alive."""

EVERY_SECONDS = 5.0
"""Seconds between two measurements, at least."""

SHARE = 0.02
"""Share of the time that measuring may take."""


async def pipeline_state(connection: AsyncConnection) -> PipelineMeasured:
    """Measure the pipeline in one statement of bounded cost."""
    parameters = {"limit": COUNTED, "silent": SILENT_SECONDS, "clock": time()}
    async with connection.cursor(row_factory=class_row(PipelineMeasured)) as cursor:
        await cursor.execute(_SQL["pipeline_state"], parameters)
        state = await cursor.fetchone()
    if state is None:
        raise AssertionError("an aggregate returns one row")
    return state


@dataclass(frozen=True, slots=True)
class Glance:
    """Seconds since a relay was last seen, and the age of the oldest event; None without one."""

    relay_seen: float | None = None
    oldest: float | None = None


async def pipeline_glance(connection: AsyncConnection) -> Glance:
    """Look at the pipeline for next to nothing: anyone may ask for this."""
    async with connection.cursor(row_factory=class_row(Glance)) as cursor:
        await cursor.execute(_SQL["pipeline_glance"])
        return await cursor.fetchone() or Glance()


async def measure(database: Database, observe: Observer) -> None:
    """Measure the pipeline every few seconds, for ever, on a connection of its own."""
    connection: AsyncConnection | None = None
    try:
        while True:
            began = monotonic()
            try:
                if connection is None:
                    connection = await database.aconnect(
                        "everyclick-monitor", SESSION, patience=6.0
                    )
                observe(await pipeline_state(connection))
            except psycopg.Error as error:
                observe(observation("measuring", error))
                if connection is not None:
                    await connection.close()
                    connection = None
            await asyncio.sleep(max(EVERY_SECONDS, (monotonic() - began) / SHARE))
    finally:
        if connection is not None:
            await connection.close()
