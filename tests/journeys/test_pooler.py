"""Everything behind PgBouncer in transaction mode: the same promises, on two server connections."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from service.contract.postgres import Database
from tests.support.bouncer import Bouncer, bounced
from tests.support.http import Load, click, fetch, statuses
from tests.support.processes import SECRET_KEY, Processes, url_of
from tests.support.traffic import counts, drained, make_link, value
from tests.support.waiting import until

pytestmark = pytest.mark.process

PERSON = {"email": "ada@example.com", "password": "correct horse battery"}


@pytest.fixture
def bouncer(database: Database) -> Iterator[Bouncer]:
    """A PgBouncer in front of the test's database."""
    with bounced(database) as bouncer:
        yield bouncer


@pytest.fixture
def behind(bouncer: Bouncer, tmp_path: Path) -> Iterator[Processes]:
    """Processes that reach the database through it."""
    processes = Processes(
        tmp_path, {"DATABASE_URL": url_of(bouncer.database), "SECRET_KEY": SECRET_KEY}
    )
    try:
        yield processes
    finally:
        processes.close()
    assert processes.complaints() == []


def more(load: Load) -> None:
    """Wait for clicks to be acknowledged from now on."""
    enough = load.found + 50
    until(lambda: load.found >= enough, "50 clicks more")


def test_every_click_counts(behind: Processes, sql: psycopg.Connection) -> None:
    """Two services, the API and a relay at once: every click is counted once, every answer right."""
    make_link(sql, "first", "https://example.com/first")
    make_link(sql, "second", "https://example.com/second")
    services = [behind.service() for _ in range(2)]
    relay = behind.relay()
    base = services[0].url
    api = f"{base}/api/v1"
    assert fetch(f"{api}/signup", method="POST", payload=PERSON).status == 201
    token = fetch(f"{api}/login", method="POST", payload=PERSON).json()["token"]

    def link(number: int) -> int:
        asked = {"url": f"https://example.com/{number}", "code": f"made-{number}"}
        made = fetch(f"{api}/links", method="POST", payload=asked, token=token)
        return made.status

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(click, f"{services[0].url}/first", 300)
        second = pool.submit(click, f"{services[1].url}/second", 300)
        made = [link(number) for number in range(40)]
    assert made == [201] * 40
    for answers, target in ((first.result(), "first"), (second.result(), "second")):
        assert statuses(answers) == {302: 300}
        assert {answer.headers["location"] for answer in answers} == {
            f"https://example.com/{target}"
        }
    assert drained(sql) == {"outbox": 0, "clicks": 600, "dead_letters": 0}
    assert value(sql, "SELECT sum(clicks) FROM clicks_hourly") == 600
    assert fetch(f"{base}/made-7").status == 302
    until(
        lambda: fetch(f"{base}/stats/made-7", token=token).json()["total"] == 1,
        "its statistics",
    )
    assert fetch(f"{services[1].url}/readyz").status == 200
    assert '"relays": null' in behind.cli("relay", "status", "--json").stdout
    behind.cli("relay", "verify")
    assert [process.logged("database_unavailable") for process in (*services, relay)] == [
        [],
        [],
        [],
    ]
    assert [process.stop().code for process in (relay, *services)] == [0, 0, 0]


def test_a_killed_pooler(behind: Processes, bouncer: Bouncer, sql: psycopg.Connection) -> None:
    """Killed under load and started again: 302 or 503 meanwhile, nothing lost, nothing doubled,
    and neither process had to be started again.
    """
    make_link(sql, "alive")
    service, relay = behind.service(), behind.relay()
    with Load(f"{service.url}/alive") as load:
        for _ in range(3):
            more(load)
            bouncer.end()
            bouncer.start()
        more(load)
    assert load.cut == []
    assert set(statuses(load.answers)) <= {302, 503}
    until(lambda: relay.logged("batch_moved"), "a batch")
    refused = len(load.answers) - load.found
    stood = drained(sql)
    # What was refused may have been committed all the same, once.
    assert load.found <= stood["clicks"] <= load.found + refused
    assert counts(sql)["dead_letters"] == 0
    behind.cli("relay", "verify")
    assert (service.code, relay.code) == (None, None)
    assert (relay.stop().code, service.stop().code) == (0, 0)
