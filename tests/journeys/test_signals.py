"""SIGTERM: what is in hand is finished, nothing is lost, the exit code is 0."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from service.contract.embedded.processes import Processes as AtWork
from service.contract.postgres import Database
from tests.journeys.conftest import Measured
from tests.support.http import Load, fetch, statuses
from tests.support.processes import Processes
from tests.support.traffic import add_events, count, counts, drained, make_link
from tests.support.waiting import until

pytestmark = pytest.mark.process

HELD = 4
WAITING = (
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'everyclick-service' AND wait_event_type = 'Lock'"
)


def refused(url: str) -> bool:
    """Whether a new connection is refused."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_requests_in_flight_are_answered(
    processes: Processes, database: Database, sql: psycopg.Connection, measured: Measured
) -> None:
    """Four redirects wait for a lock when SIGTERM comes, five times over: each still gets its 302."""
    make_link(sql, "inflight")
    service = processes.service()
    address = urlsplit(service.url).netloc
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(HTTPConnection(address))) for _ in range(HELD)]
        with database.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE outbox IN SHARE MODE")
            began = time.monotonic()
            for connection in opened:
                connection.request("GET", "/inflight")
            # Who comes later is answered: so all of the above have been read.
            assert [fetch(f"{service.url}/healthz").status for _ in range(2)] == [200, 200]
            until(lambda: sql.execute(WAITING).fetchone() == (True,), "a redirect waiting")
            for _ in range(5):
                service.send(signal.SIGTERM)
            until(lambda: refused(service.url), "its listeners closed")
            assert service.code is None
        held = time.monotonic() - began
        answers = [connection.getresponse().status for connection in opened]
    # Longer than this a redirect need not wait; it is refused then, in whole words.
    assert answers == [302] * HELD or (held > 2 and set(answers) <= {302, 503})
    ended = service.wait()
    assert ended.code == 0
    measured("service: last answer to its end", ended.seconds)
    assert answers.count(302) <= count(sql, "outbox") <= HELD


def test_an_idle_client_is_let_go(processes: Processes, measured: Measured) -> None:
    """A connection without a request does not hold the stop up, and is closed in order; one that
    asks in time has its answer, which says that it is the last.
    """
    service = processes.service()
    parts = urlsplit(service.url)
    address = parts.hostname or "", parts.port or 0
    with ExitStack() as stack:
        idle, asking = (
            stack.enter_context(socket.create_connection(address, 20)) for _ in range(2)
        )
        for client in (idle, asking):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        service.send(signal.SIGTERM)
        asked = time.monotonic()
        until(lambda: refused(service.url), "its listeners closed")
        asking.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: asking.recv(1000), b""))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert b"" == idle.recv(1000)
        measured("service: SIGTERM to an idle client's end", time.monotonic() - asked)
        assert service.wait().code == 0


@pytest.mark.parametrize("module", ["service", "relay"])
def test_signals_without_end(processes: Processes, module: str) -> None:
    """SIGTERM again and again until the very end: still an orderly stop with exit code 0."""
    process = processes.service() if module == "service" else processes.relay()
    while process.code is None:
        process.send(signal.SIGTERM)
    assert process.code == 0


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_stop_under_load(
    processes: Processes, sql: psycopg.Connection, measured: Measured, workers: int
) -> None:
    """Stopped in the midst of clicks, without a supervisor and with: no request is cut, each 302
    has its row, connections that come too late are refused.
    """
    make_link(sql, "load")
    service = processes.start(
        "service", env={"PORT": "0", **({"WEB_CONCURRENCY": str(workers)} if workers else {})}
    )
    service.ready(
        lambda: len(service.logged("database_ready")) == max(workers, 1), "all of it ready"
    )
    with Load(f"{service.url}/load", threads=6) as load:
        until(lambda: load.found >= 100, "clicks under way")
        ended = service.stop()
        measured("service: SIGTERM under load to its end", ended.seconds)
    assert ended.code == 0
    assert {302} == set(statuses(load.answers))
    assert [] == [each for each in load.cut if not isinstance(each, ConnectionRefusedError)]
    assert load.found == count(sql, "outbox")
    assert [
        {name: entry[name] for name in ("process", "clean")} for entry in service.logged("stopped")
    ] == [{"process": "service", "clean": True}] * (1 + workers)


def test_relay_stops_amid_a_backlog(
    processes: Processes, sql: psycopg.Connection, measured: Measured
) -> None:
    """Stopped in the midst of 20,000 events, five times over: exit 0 after its batch, all there."""
    events = 20_000
    add_events(sql, make_link(sql, "backlog"), events)
    relay = processes.relay(RELAY_BATCH_SIZE="20")
    until(lambda: count(sql, "clicks") >= 200, "some moved")
    for _ in range(5):
        relay.send(signal.SIGTERM)
    ended = relay.wait()
    measured("relay: SIGTERM amid a backlog to its end", ended.seconds)
    assert ended.code == 0
    assert [entry["clean"] for entry in relay.logged("stopped")] == [True]
    stood = counts(sql)
    assert stood["outbox"] > 0
    assert {"outbox": events - stood["clicks"], "dead_letters": 0} == {
        name: stood[name] for name in ("outbox", "dead_letters")
    }
    processes.cli("relay", "verify")
    processes.cli("relay", "drain")
    assert {"outbox": 0, "clicks": events, "dead_letters": 0} == drained(sql)
    processes.cli("relay", "verify")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ended_while_it_starts(embedded_processes: Processes, number: signal.Signals) -> None:
    """Asked to end while Postgres is being made, the service ends and leaves nothing running."""
    data_dir = Path(embedded_processes.env["DATA_DIR"])
    starting = embedded_processes.start("service", env={"PORT": "0"})
    until(lambda: any(data_dir.glob("postgres*")), "the making of the cluster")
    starting.send(number)
    assert starting.wait().code == 128 + number
    assert [] == AtWork(data_dir / "postgres").pids()
