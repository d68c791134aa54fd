"""A drill that is played on a small scale: what is really wrong it finds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest

from ops.chaos import drive, report
from ops.chaos.cluster import RELAY_ROLE, Cluster
from ops.chaos.drive import play
from ops.chaos.fault import Fault
from ops.chaos.faults.events import FarFuture
from ops.chaos.faults.redrive import RedriveKilled
from ops.chaos.grounds import Standing
from ops.chaos.result import Result
from ops.chaos.scenario import Holds, Inflict, Scenario
from service.contract.postgres import Database

pytestmark = [pytest.mark.process, pytest.mark.slow]


class Thief(Fault):
    """Takes a click away and sets the rollup right, as no fault may."""

    name = "click stolen"

    async def inject(self) -> None:
        await self.scene.execute(
            "WITH victim AS (DELETE FROM clicks WHERE message_id = (SELECT message_id FROM clicks"
            " WHERE user_agent LIKE 'chk/%%' LIMIT 1) RETURNING link_id, occurred_at)"
            " UPDATE clicks_hourly SET clicks = clicks - 1 FROM victim"
            " WHERE clicks_hourly.link_id = victim.link_id"
            " AND hour = date_trunc('hour', occurred_at, 'UTC')",
            {},
        )


class Gone(Fault):
    """The relay is stopped, and nobody starts it again."""

    name = "relay gone for good"

    async def inject(self) -> None:
        for relay in self.scene.relays:
            await relay.rest()


async def played(
    database: Database, directory: Path, faults: Sequence[Inflict], holds: Holds
) -> Result:
    """Play for a second."""
    with database.connect() as admin, suppress(psycopg.errors.DuplicateObject):
        admin.execute(f"CREATE ROLE {RELAY_ROLE} LOGIN SUPERUSER".encode())
    scenario = Scenario("X", "a try", faults, rate=100, seconds=1, gap=(0.1, 0.2), holds=holds)
    standing = Standing(Cluster(directory / "unused"), lambda: nullcontext(database))
    return await play(scenario, standing, random.Random(1), directory)


def left(directory: Path) -> set[str]:
    """The names of what stands in a directory."""
    return {path.name for path in directory.iterdir()}


async def test_all_is_well(database: Database, tmp_path: Path) -> None:
    """Seeded events end where they should, nothing is wrong, every target is reached."""
    result = await played(database, tmp_path, [FarFuture], Holds())
    assert result.sound
    assert [] == [target for target in result.targets if not target.holds]
    assert result.injected["event of the year 99999"] >= 1
    assert result.acknowledged > 100
    assert result.evidence is None


async def test_a_stolen_click_is_missed(database: Database, tmp_path: Path) -> None:
    """It counts as lost, and the evidence is left in the directory that is named."""
    result = await played(database, tmp_path, [Thief], Holds())
    assert not result.sound
    assert result.injected["click stolen"] == result.number("lost")
    assert str(tmp_path) == result.evidence
    assert {"client.csv", "clicks.csv", "outbox.csv", "faults.tsv", "findings.txt"} <= left(
        tmp_path
    )
    assert "O1 lost" in (tmp_path / "findings.txt").read_text()


async def test_what_never_comes_again_is_wrong(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, but nothing is counted any more either: that is no matter of a target."""
    monkeypatch.setattr(drive, "RECOVERS", 1.0)
    monkeypatch.setattr(drive, "DRAIN", 1.0)
    result = await played(database, tmp_path, [Gone], Holds(counted_again=None))
    assert ["click counted"] == result.hung
    assert not result.sound
    assert 0 == result.number("lost")
    assert "no click counted any more after the last fault" in report.wrong(result)


async def test_a_redrive_is_killed_and_given_again(database: Database, tmp_path: Path) -> None:
    """Every letter is counted once, whenever the first replay was killed."""
    faults = [partial(RedriveKilled, letters=1500)]
    result = await played(database, tmp_path, faults, Holds(found_again=None, counted_again=None))
    assert result.sound
    assert result.injected["redrive killed"] >= 1
