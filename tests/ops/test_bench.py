"""The parts of the benchmark that can be wrong without anybody measuring: arithmetic and telling."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ops.bench import load_open, machine, report, wire
from ops.bench.__main__ import options
from ops.bench.catalogue import CATALOGUE, chosen, listed
from ops.bench.drain import BATCH, Batch, batches, rate, statement_drain
from ops.bench.errors import BenchError, ClicksLost
from ops.bench.figure import Spread, alone, at_least, at_most, compared, percentile
from ops.bench.load import Load
from ops.bench.load_closed import ask
from ops.bench.load_open import open_load
from ops.bench.stage import Stage
from ops.bench.wire import get
from service.contract.embedded import EmbeddedPostgres
from service.contract.postgres import Database
from tests.support.processes import REPOSITORY


@pytest.mark.parametrize(
    "values,percent,expected",
    [
        ([1.0], 50, 1.0),
        ([1.0], 99, 1.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
        ([float(n) for n in range(1, 102)], 99, 100.0),
        ([1.0, 2.0], 0, 1.0),
        ([1.0, 2.0], 100, 2.0),
    ],
)
def test_percentile_is_the_nearest_rank(
    values: list[float], percent: float, expected: float
) -> None:
    """The least value that so many percent do not exceed."""
    assert expected == percentile(values, percent)


def test_of_nothing_there_is_no_percentile_and_no_spread() -> None:
    """An empty measurement is an error, never a zero that looks like a result."""
    with pytest.raises(ValueError, match="no value"):
        percentile([], 50)
    with pytest.raises(ValueError, match="no round"):
        Spread.of([])


def test_a_ratio_is_taken_round_by_round() -> None:
    """The median of the rounds' ratios, which is not the ratio of the medians."""
    figure = compared("f", "x/s", [10, 30, 20], "other", [10, 10, 40], target=at_least(1))
    assert Spread(1.0, 0.5, 3.0) == figure.ratio
    assert Spread(20, 10, 30) == figure.value
    assert Spread(10, 10, 40) == figure.reference_value
    assert figure.holds is True


def test_rounds_must_pair() -> None:
    """A round without its reference is an error."""
    with pytest.raises(ValueError, match="zip"):
        compared("f", "", [1, 2], "other", [1])


def test_a_target_judges_the_ratio_else_the_value() -> None:
    """Both bounds, with and without a reference; no target, no judgement."""
    assert alone("f", "ms", [15], target=at_most(15)).holds is True
    assert alone("f", "ms", [15.1], target=at_most(15)).holds is False
    assert compared("f", "", [100], "other", [200], target=at_least(0.7)).holds is False
    assert alone("f", "", [1]).holds is None


def test_the_table_is_aligned_and_says_what_does_not_hold() -> None:
    """Markdown, each line as wide as the head; notes below."""
    text = report.table(
        [
            compared("fast", "x/s", [12000, 9000], "bare", [20000, 10000], target=at_least(0.7)),
            alone("slow", "ms", [0.0123], target=at_least(1), note="why"),
        ]
    )
    lines = text.splitlines()
    assert 1 == len({len(line) for line in lines[:4]})
    assert "| fast   | 10,500 (9,000 to 12,000) x/s | bare: 15,000 " in lines[2]
    assert "0.75 (0.6 to 0.9)" in lines[2]
    assert lines[2].endswith("| ≥ 0.7  | yes   |")
    assert "0.0123 ms" in lines[3]
    assert lines[3].endswith("| ≥ 1    | NO    |")
    assert "slow: why" == lines[-1]


@pytest.mark.parametrize(
    "value,expected",
    [
        (0, "0"),
        (3, "3"),
        (0.00213, "0.00213"),
        (1.256, "1.26"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_are_told_shortly(value: float, expected: str) -> None:
    """Three significant digits, or all of a large one."""
    assert expected == report.number(value)


def test_the_json_holds_everything() -> None:
    """Machine, options, figures with their judgement, and what failed."""
    figure = compared("f", "ms", [1], "other", [2], target=at_most(1))
    told = json.loads(
        report.as_json({"cores": 2}, {"json": Path("x")}, [figure], {"g": "CLICKS LOST"})
    )
    assert {"cores": 2} == told["machine"]
    assert {"json": "x"} == told["options"]
    assert {"g": "CLICKS LOST"} == told["failed"]
    (only,) = told["figures"]
    assert [0.5] == only["ratio"]["rounds"]
    assert (True, 0.5, "at most") == (
        only["holds"],
        only["ratio"]["median"],
        only["target"]["bound"],
    )


def test_a_drain_is_rated_without_its_first_batch() -> None:
    """From the end of the first batch, or of the last relay's first one, to the last."""
    told = [Batch(10.0, 500), Batch(11.0, 500), Batch(12.0, 300)]
    assert 400.0 == rate(told)
    assert 400.0 == rate(list(reversed(told)))
    assert 300.0 == rate(told, first=11.0)
    with pytest.raises(BenchError):
        rate(told[:1])
    with pytest.raises(BenchError):
        rate([])


def test_batches_are_read_from_the_relays_log(tmp_path: Path) -> None:
    """Only the lines about batches, whatever else a log says."""
    log = tmp_path / "log"
    line = (
        '{"process": "relay", "claimed": 3, "moved": 2, "event": "batch_moved", "timestamp": "%s"}'
    )
    log.write_text(
        f"plain words\n{line % '1970-01-01T00:00:01.500000Z'}\n"
        '{"event": "listening", "timestamp": "1970-01-01T00:00:01Z"}\n'
    )
    assert [Batch(1.5, 2)] == batches(log)


def test_a_load_with_failures_is_no_measurement() -> None:
    """A request that failed, or none at all, ends the measurement."""
    whole = Load(2.0, 10, 0, 1, 2, 3)
    assert whole is whole.whole()
    assert 5.0 == whole.rate
    for broken in (Load(1, 10, 1, 1, 1, 1), Load(1, 0, 0, 1, 1, 1)):
        with pytest.raises(BenchError):
            broken.whole()


def test_names_are_unique_and_choosable() -> None:
    """--only chooses by name, in the catalogue's order; unknown ones are refused."""
    names = [benchmark.name for benchmark in CATALOGUE]
    assert len(names) == len(set(names))
    assert names == [benchmark.name for benchmark in chosen(None, long=True)]
    assert all(not benchmark.long for benchmark in chosen(None, long=False))
    assert ["lonely", "memory"] == [b.name for b in chosen("memory, lonely", long=False)]
    assert ["drain_at_backlog"] == [b.name for b in chosen("drain_at_backlog", long=False)]
    with pytest.raises(ValueError, match="nothing is called nope"):
        chosen("lonely,nope", long=False)
    assert len(names) == len(listed().splitlines())


def test_list_measures_nothing() -> None:
    """--list prints the names and ends at once."""
    done = subprocess.run(
        [sys.executable, "-m", "ops.bench", "--list"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (0, listed(), "") == (done.returncode, done.stdout.strip(), done.stderr)


@pytest.mark.parametrize(
    "argv",
    [
        ["--only", "nope"],
        ["--rounds", "0"],
        ["--seconds", "0"],
        ["--seconds", "inf"],
        ["--events", "x"],
        ["--json", "/nowhere/x.json"],
        ["--dir", "/nowhere"],
    ],
)
def test_a_wrong_option_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a sentence, before anything is started."""
    with pytest.raises(SystemExit) as ended:
        options(argv)
    assert 2 == ended.value.code
    assert "error: " in capsys.readouterr().err


def test_the_disk_is_known(tmp_path: Path) -> None:
    """As many flushes as asked for, sorted; a place to put data."""
    times = machine.flush_times(tmp_path)
    assert times == sorted(times)
    assert machine.FLUSHES == len(times)
    assert machine.place().is_dir()
    assert machine.file_system(tmp_path)


def test_a_request_is_what_a_server_reads() -> None:
    """One request line, the fields, an empty line."""
    assert (
        get("http://127.0.0.1:80", "/b1", {"X": "y"})
        == b"GET /b1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nX: y\r\n\r\n"
    )


@dataclass
class Site:
    """A server that redirects everybody but those who ask for /missing, after a pause."""

    url: str = ""
    pause: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)

    async def answer(self, request: web.Request) -> web.Response:
        """Count the request and answer it."""
        self.asked[request.path] += 1
        await asyncio.sleep(self.pause)
        return web.Response(status=404 if request.path == "/missing" else 302, text="a body")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """The server, serving."""
    site = Site()
    app = web.Application()
    app.router.add_get("/{code}", site.answer)
    async with TestServer(app) as server:
        site.url = str(server.make_url("/"))
        yield site


async def test_the_closed_loop_counts_every_answer(site: Site) -> None:
    """Good and bad answers add up to what the server was asked, paths in turn."""
    load = await ask(site.url, ["/a", "/missing"], 4, 0.1, {}, 302)
    assert site.asked["/a"] == load.answered
    assert site.asked["/missing"] == load.failed
    assert load.answered > 0 < load.p50 <= load.p95 <= load.p99


async def test_the_open_loop_sends_each_request_once(site: Site) -> None:
    """As many as rate times seconds, and tells which of them were acknowledged."""
    acknowledged: list[int] = []
    load = await open_load(
        site.url,
        ["/a", "/b", "/missing"],
        rate=300,
        seconds=0.1,
        headers={"X": "y"},
        acknowledged=lambda number, _: acknowledged.append(number),
    )
    assert {"/a": 10, "/b": 10, "/missing": 10} == site.asked
    assert (20, 10) == (load.answered, load.failed)
    assert [number for number in range(30) if number % 3 != 2] == sorted(acknowledged)


async def test_the_open_loop_counts_the_wait_for_a_slow_server(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Latency begins when a request was meant to be sent, not when a connection came free."""
    monkeypatch.setattr(load_open, "CONNECTIONS", 1)
    site.pause = 0.02
    load = await open_load(site.url, ["/a"], rate=1000, seconds=0.01, headers={})
    # Ten requests are due within 10 ms and take 20 ms each, one after another.
    assert load.p99 >= 10 * 20 - 10
    assert load.p50 >= 5 * 20 - 10


async def test_the_open_loop_passes_over_connections_that_were_let_go(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that the server closed while nobody needed it is no failed request."""
    connect = wire.connect

    async def half_of_them_gone(url: str, number: int) -> list[wire.Connection]:
        connections = await connect(url, number)
        for connection in connections[::2]:
            connection.close()
        while not all(connection.lost for connection in connections[::2]):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return connections

    monkeypatch.setattr(load_open, "CONNECTIONS", 5)
    monkeypatch.setattr("ops.bench.load_open.wire.connect", half_of_them_gone)
    load = await open_load(site.url, ["/a"], rate=300, seconds=0.1, headers={})
    assert (30, 0) == (load.answered, load.failed)


async def test_an_open_loop_without_an_answer_fails(site: Site) -> None:
    """Nothing acknowledged is nothing measured."""
    with pytest.raises(BenchError, match="None of 10"):
        await open_load(site.url, ["/missing"], rate=1000, seconds=0.01, headers={})


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    """The stage on a database of the test's own."""
    with database.connect() as connection:
        if connection.info.server_version < 180000:
            pytest.skip("the stage is filled by uuidv7(), which Postgres has from 18 on")
    postgres = SimpleNamespace(conninfo=database.conninfo, bin_dir=tmp_path)
    return Stage(cast("EmbeddedPostgres", postgres), tmp_path)


def test_lost_clicks_fail_the_measurement(stage: Stage) -> None:
    """One row fewer than acknowledged is told loudly; one more is a request nobody waited for, if
    any was cut off, and else one that was counted twice.
    """
    stage.reset(links=2)
    stage.backlog(5, 2)
    assert 5 == stage.verify(4, 1).waiting
    assert 5 == stage.verify(5, 0).waiting
    with pytest.raises(BenchError, match="4 redirects were answered, but 5 clicks stand"):
        stage.verify(4, 0)
    with pytest.raises(ClicksLost, match=r"CLICKS LOST: 6 were acknowledged, .* holds 5"):
        stage.verify(6, 64)


def test_a_drain_that_leaves_something_is_none(stage: Stage) -> None:
    """Every event has to be moved and counted, no more, and none lost."""
    stage.reset(links=2)
    stage.backlog(5, 2)
    with pytest.raises(BenchError, match="waiting=5"):
        stage.verify_moved(5)
    with pytest.raises(ClicksLost):
        stage.verify_moved(6)


def test_the_leanest_statement_makes_the_whole_move(stage: Stage) -> None:
    """Each event a click, each click in the rollup, nothing left: it is no cheaper than that."""
    events = 3 * BATCH + 1
    stage.reset(links=7)
    assert statement_drain(stage, events, 7) > 0
    stage.verify_moved(events)
    stage.reset()
    stage.verify_moved(0)
