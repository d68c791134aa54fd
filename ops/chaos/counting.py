"""Looks all the time how many clicks stand counted: when the relay is at work again, it shows."""

from __future__ import annotations

import asyncio
from time import monotonic

import psycopg

from ops.chaos.scene import Scene
from tests.oracle.availability import Sample

LOOK = 0.03

# The rollup has few rows, and the oracle sees to it that it says what the clicks say.
COUNTED = b"SELECT coalesce(sum(clicks), 0)::bigint FROM clicks_hourly"


async def count(scene: Scene, samples: list[Sample]) -> None:
    """Add a sample for each look, until cancelled; an unreachable database is looked for again."""
    while True:
        try:
            async with await scene.database.aconnect("everyclick-chaos") as connection:
                await connection.execute("SET statement_timeout = '1s'")
                while True:
                    asked = monotonic()
                    row = await (await connection.execute(COUNTED)).fetchone()
                    samples.append(Sample(asked, int(row[0]) if row else 0))
                    await asyncio.sleep(LOOK)
        except (psycopg.Error, OSError):
            await asyncio.sleep(LOOK)
