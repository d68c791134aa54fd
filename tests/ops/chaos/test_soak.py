"""What a soak concludes from its looks, and how it tells it; without anything being broken."""

from __future__ import annotations

import random
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest

from ops.chaos.cluster import RELAY_ROLE, Cluster
from ops.chaos.drive import play
from ops.chaos.faults.sessions import Terminated
from ops.chaos.grounds import Standing
from ops.chaos.scenario import Scenario
from ops.chaos.soak import report
from ops.chaos.soak.look import TABLES, Look, Process, Table
from ops.chaos.soak.trend import Soak, slope, slope_within, soak
from service.contract.postgres import Database
from tests.oracle.availability import Injury
from tests.oracle.exchange import Exchange

LINE = [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]


def process(pid: int, age: float, rss: int) -> Process:
    """A service's process."""
    return Process("service", pid, age, rss, descriptors=20 + pid)


def click(meant: float, seconds: float = 0.001) -> Exchange:
    """A click that got its 302."""
    return Exchange(0, "click", meant, meant, meant + seconds, 302)


def summed(looks: list[Look], clicks: list[Exchange], injuries: list[Injury]) -> Soak:
    """A soak of minutes."""
    return soak(60.0, looks, clicks, injuries)


def test_a_slope_is_that_of_the_least_squares_line() -> None:
    """Two per step; none of one place; what groups have in common whatever their level."""
    assert 2.0 == slope(LINE)
    assert slope([(1.0, 5.0), (1.0, 7.0)]) is None
    assert 2.0 == slope_within([LINE, [(5.0, 100.0), (6.0, 102.0)], [(9.0, 7.0)], []])


def test_processes_are_compared_at_the_same_age() -> None:
    """A new process that is larger than the old one was at its age has grown; age itself has not."""
    looks = [
        Look(
            60.0 * at, (process(at // 3, 60.0 * (at % 3) + 1, 1000 + 50 * (at % 3) + at // 3 * 3),)
        )
        for at in range(6)
    ]
    growth = summed(looks, [], []).growths[0]
    assert growth.slope == pytest.approx(60.0)  # 3 KiB in 180 s
    assert (2, 1103, (20, 21, 21)) == (growth.lives, growth.most, growth.descriptors)


def test_a_lifetime_has_a_slope_once_it_is_long_enough() -> None:
    """The first look is left out: a process that was just started is growing up."""
    looks = [Look(60.0 * at, (process(1, 60.0 * at, 1000 if at else 1),)) for at in range(6)]
    [lifetime] = summed(looks, [], []).lifetimes
    assert (0.0, 300.0, 6, 1, 1000) == (
        lifetime.slope,
        lifetime.seconds,
        lifetime.looks,
        lifetime.first,
        lifetime.last,
    )
    assert () == summed(looks[:4], [], []).lifetimes


def test_clicks_that_met_a_fault_are_left_out() -> None:
    """Those sent during it, shortly after it, and those that were under way when it began."""
    looks = [Look(100.0, ()), Look(160.0, ()), Look(220.0, ())]
    injuries = [Injury("a", 110.0, 112.0)]
    met = [click(109.0, 2.0), click(111.0, 2.0), click(114.0, 2.0)]
    clicks = [click(99.0), click(105.0), *met, click(116.0, 0.004), click(170.0, 0.008)]
    first, last = summed(looks, clicks, injuries).beats
    assert (("a",), 2) == (first.faults, first.clicks)
    assert 0.004 == pytest.approx(first.p99)
    assert ((), 1) == (last.faults, last.clicks)
    assert 2.0 == pytest.approx(summed(looks, clicks, injuries).drift)


def test_two_looks_are_needed() -> None:
    """One shows nothing that grows."""
    with pytest.raises(ValueError, match="two looks"):
        summed([Look(0.0, ())], [], [])


def test_the_report_tells_what_grew() -> None:
    """Memory, descriptors, dead rows, sizes, times; a look at a server that was down as well."""
    tables = (Table("outbox", 7000, 2048, 4096),)
    looks = [
        Look(0.0, (process(1, 5.0, 90_000),), tables, 3),
        Look(60.0, (process(1, 65.0, 91_000),)),
        Look(120.0, (process(1, 125.0, 91_500),), (Table("outbox", 10, 4096, 4096),), 2),
    ]
    told = report.told("SOAK", summed(looks, [click(1.0)], [Injury("relay killed", 20.0, 21.0)]))
    assert "SOAK: what grew in 120 s, by 3 looks, 60 s apart; 1 faults" in told
    assert "service  1 lives" in told
    assert "first 21, last 21, at most 21" in told
    assert ["outbox", "7,000", "10", "2", "4", "4", "4"] in [
        line.split() for line in told.splitlines()
    ]
    assert "backlog at most 3, last 2" in told
    assert "relay killed" in told


@pytest.mark.process
@pytest.mark.slow
async def test_a_soak_is_played(database: Database, tmp_path: Path) -> None:
    """A fault in each beat, a look before the first and after each; processes and tables are seen."""
    with database.connect() as admin, suppress(psycopg.errors.DuplicateObject):
        admin.execute(f"CREATE ROLE {RELAY_ROLE} LOGIN SUPERUSER".encode())
    faults = [partial(Terminated, side="service", rate=5)]
    scenario = Scenario("X", "a try", faults, rate=50, seconds=2, beat=1, hold=(0.1, 0.1))
    standing = Standing(Cluster(tmp_path / "unused"), lambda: nullcontext(database))
    result = await play(scenario, standing, random.Random(1), tmp_path)
    assert result.sound
    assert result.soak is not None
    looks = result.soak.looks
    assert (3, 2) == (len(looks), sum(len(beat.faults) for beat in result.soak.beats))
    assert [["service", "relay"]] * 3 == [[each.side for each in look.processes] for look in looks]
    assert all(each.rss > 10_000 for look in looks for each in look.processes)
    assert [list(TABLES)] * 3 == [[table.name for table in look.tables] for look in looks]
