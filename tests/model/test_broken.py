"""Deliberately broken variants of the product, and that they are caught."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from psycopg import AsyncConnection

from relay.mover import Mover
from service.contract.postgres import Database
from tests.model import broken
from tests.model.machine import run
from tests.relay.conftest import MakeMover
from tests.support.clones import Template
from tests.support.ledger import (
    count,
    held,
    make_event,
    make_link,
    rollups_equal_clicks,
    until,
    waits_for_lock,
)

# Found is enough: no shorter way there is looked for.
FIND = settings(
    max_examples=40,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "broke, shown",
    [
        (broken.rollup_of_the_batch, "rollups are not the clicks"),
        (broken.new_id_per_try, "the tables are not as they must be"),
    ],
)
def test_the_machine_finds(
    template: Template,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    broke: broken.Break,
    shown: str,
) -> None:
    """A rollup counted from the batch, and a new id per try, break an invariant of the machine."""
    with database.connect() as connection:
        broke(monkeypatch, connection)
    with asyncio.Runner() as runner, pytest.raises(AssertionError, match=shown):
        run(template, runner, FIND)


SLOW_AT = 4_711
"""The advisory lock at which the first relay is held in the middle of its upsert."""

STOP = f"""
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('application_name') = 'first' AND NEW.link_id = TG_ARGV[0]::bigint THEN
        PERFORM pg_advisory_xact_lock_shared({SLOW_AT});
    END IF;
    RETURN NEW;
END $$
"""


async def meet(db: AsyncConnection, database: Database, movers: list[Mover]) -> None:
    """Let two relays upsert the rollups of the same two links; the events came in opposite orders.

    The first is held between its two rows until the second waits for a row of its: in one order
    for all that is the first row, else the second relay has already what the first wants next.
    """
    one, two = await make_link(db, "one"), await make_link(db, "two")
    for link in (one, two, two, one):
        await make_event(db, link)
    await db.execute(STOP)
    await db.execute(
        "CREATE TRIGGER stop BEFORE INSERT ON clicks_hourly"
        f" FOR EACH ROW EXECUTE FUNCTION stop({two})".encode()
    )
    async with (
        await database.aconnect("first") as first,
        await database.aconnect("second") as second,
    ):
        with held(database.conninfo, f"SELECT pg_advisory_xact_lock({SLOW_AT})"):
            tasks = [asyncio.create_task(movers[0].move(first))]
            await until(lambda: waits_for_lock(db, 1))
            tasks.append(asyncio.create_task(movers[1].move(second)))
            await until(lambda: waits_for_lock(db, 2))
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each


HANDLES = {"clicks_move": None, "clicks_move_each": lambda _: None}


@pytest.mark.parametrize("way", HANDLES)
async def test_two_relays_meet(
    db: AsyncConnection, database: Database, make_mover: MakeMover, way: str
) -> None:
    """Two relays with the same links in opposite orders wait for each other in one order."""
    movers = [make_mover(batch_size=2, handle=HANDLES[way]) for _ in range(2)]
    await meet(db, database, movers)
    assert 4 == await count(db, "clicks")
    assert await rollups_equal_clicks(db)


@pytest.mark.parametrize(
    "way, broke", [("clicks_move", broken.unsorted), ("clicks_move_each", broken.unsorted_each)]
)
async def test_an_unsorted_upsert_deadlocks(
    db: AsyncConnection,
    database: Database,
    make_mover: MakeMover,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    broke: broken.Break,
) -> None:
    """The same two relays deadlock when a batch upserts its rollups in the order of its events."""
    with database.connect() as connection:
        broke(monkeypatch, connection)
    movers = [make_mover(batch_size=2, handle=HANDLES[way]) for _ in range(2)]
    with pytest.raises(psycopg.errors.DeadlockDetected):
        await meet(db, database, movers)
