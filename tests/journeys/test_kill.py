"""Kill -9 of the relay and of Postgres: nothing acknowledged is lost, nothing is counted twice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psycopg
import pytest

from service.contract.embedded.processes import Processes as Postgres
from tests.journeys.conftest import Measured
from tests.support.http import Load, click, fetch, statuses
from tests.support.processes import Process, Processes, free_ports
from tests.support.traffic import add_events, count, counts, drained, make_link, value
from tests.support.waiting import until

pytestmark = pytest.mark.process

EVENTS = 10_000


def freeze_amid(relay: Process, sql: psycopg.Connection, after: int) -> None:
    """Stop the relay with SIGSTOP when so many clicks are moved; some events must be left."""
    until(lambda: count(sql, "clicks") >= after, f"{after} clicks moved")
    relay.send(signal.SIGSTOP)
    assert count(sql, "outbox") > 0


def test_killed_relay_loses_nothing(
    processes: Processes, sql: psycopg.Connection, measured: Measured
) -> None:
    """Kill -9 amid 10,000 events: the next relay ends the work, each is there exactly once."""
    add_events(sql, make_link(sql, "kill"), EVENTS)
    first = processes.relay(RELAY_BATCH_SIZE="20")
    freeze_amid(first, sql, 500)
    first.kill()
    # What its last transaction held is free again as soon as its connection is seen to be gone.
    left = count(sql, "outbox")
    killed = time.monotonic()
    processes.relay()
    until(lambda: count(sql, "outbox") < left, "the next batch")
    measured("kill to next batch of a newly started relay", time.monotonic() - killed)
    assert drained(sql) == {"outbox": 0, "clicks": EVENTS, "dead_letters": 0}
    assert value(sql, "SELECT sum(clicks) FROM clicks_hourly") == EVENTS
    processes.cli("relay", "verify")


STUCK = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


def test_a_relay_killed_amid_what_never_ends(
    processes: Processes, sql: psycopg.Connection, measured: Measured
) -> None:
    """Kill -9 while an event hangs and heeds no cancel: what the relay held is free all the same."""
    add_events(sql, make_link(sql, "stuck"), 100)
    sql.execute(
        "CREATE FUNCTION stick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN LOOP BEGIN"
        " PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"
    )
    sql.execute(
        "CREATE TRIGGER stick BEFORE INSERT ON clicks FOR EACH ROW EXECUTE FUNCTION stick()"
    )
    first = processes.relay()
    until(lambda: value(sql, STUCK) == 1, "a stuck relay")
    first.kill()
    killed = time.monotonic()
    until(lambda: value(sql, STUCK) == 0, "the end of what it was at")
    measured("kill of a relay to the end of a statement that never ends", time.monotonic() - killed)
    sql.execute("DROP TRIGGER stick ON clicks")
    processes.relay()
    assert drained(sql) == {"outbox": 0, "clicks": 100, "dead_letters": 0}


def postmaster(data_dir: Path) -> int:
    """The pid of the embedded server."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def conninfo(data_dir: Path) -> str:
    """Where the embedded server is, for psycopg."""
    socket = (data_dir / "socket").read_text().strip()
    return f"host={socket}/socket user=everyclick dbname=everyclick"


def test_killed_postgres_comes_back(embedded_processes: Processes, measured: Measured) -> None:
    """Kill -9 of the embedded server: 503 or 302 meanwhile, then clicks go on, none is missing."""
    processes = embedded_processes
    service = processes.service(PORT=str(free_ports(1)[0]))
    relay = processes.relay()
    data_dir = Path(processes.env["DATA_DIR"])
    short = processes.cli("service", "link", "add", "https://example.com/", "--code", "alive")
    assert short.stdout.endswith("/alive\n")
    url = f"{service.url}/alive"
    with Load(url) as load:
        until(lambda: load.found >= 50, "clicks before the kill")
        pid = postmaster(data_dir)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: not Path(f"/proc/{pid}").exists() or postmaster(data_dir) != pid, "its end")
        # From here on only a server that came back can acknowledge.
        before = load.found
        until(lambda: load.found >= before + 50, "clicks after the kill")
        measured("kill of Postgres to 50 clicks more", time.monotonic() - killed)
    assert set(statuses(load.answers)) <= {302, 503}
    assert load.cut == []
    for answer in load.answers:
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) > 0
    slowest = max(answer.seconds for answer in load.answers)
    measured("slowest answer over a kill of Postgres", slowest)
    assert slowest < 6.0
    assert (service.code, relay.code) == (None, None)

    assert fetch(url).status == 302
    acknowledged = load.found + 1
    refused = len(load.answers) - load.found
    with psycopg.connect(conninfo(data_dir), autocommit=True) as sql:
        assert drained(sql)["dead_letters"] == 0
        measured("kill of Postgres to a drained outbox", time.monotonic() - killed)
        # What was refused may have been committed all the same, once.
        assert acknowledged <= counts(sql)["clicks"] <= acknowledged + refused
    processes.cli("relay", "verify")
    assert (relay.stop().code, service.stop().code) == (0, 0)


def test_frozen_postgres_is_waited_for_briefly(
    embedded_processes: Processes, measured: Measured
) -> None:
    """A server that hangs without being dead: 503 in time, and 302 again once it goes on."""
    processes = embedded_processes
    service = processes.service(PORT=str(free_ports(1)[0]))
    relay = processes.relay()
    data_dir = Path(processes.env["DATA_DIR"])
    processes.cli("service", "link", "add", "https://example.com/", "--code", "alive")
    url = f"{service.url}/alive"
    assert [answer.status for answer in click(url, 10)] == [302] * 10
    server = Postgres(data_dir / "postgres")
    frozen = server.pids()
    try:
        server.signal(signal.SIGSTOP)
        answers = click(url, 12, at_once=12)
        assert fetch(f"{service.url}/healthz").status == 200
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert statuses(answers) == {503: 12}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    slowest = max(answer.seconds for answer in answers)
    measured("slowest answer while Postgres hangs", slowest)
    assert slowest < 6.0
    thawed = time.monotonic()
    until(lambda: fetch(url).status == 302, "clicks again")
    measured("Postgres goes on to the next 302", time.monotonic() - thawed)
    with psycopg.connect(conninfo(data_dir), autocommit=True) as sql:
        stood = drained(sql)
        # What was refused may have been committed all the same, once.
        assert 11 <= stood["clicks"] <= 11 + len(answers)
        assert stood["dead_letters"] == 0
    processes.cli("relay", "verify")
    assert (relay.code, service.code) == (None, None)
    assert (relay.stop().code, service.stop().code) == (0, 0)
