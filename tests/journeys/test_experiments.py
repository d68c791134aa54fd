"""The three experiments: clicks are seen, survive an absent relay, survive a failing one."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg
import pytest

from tests.journeys.conftest import Measured
from tests.support.http import click, fetch, statuses
from tests.support.processes import Process, Processes
from tests.support.traffic import count, counts, drained, value
from tests.support.waiting import until

pytestmark = pytest.mark.process

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Owner:
    """An account on a running service, and what it does there."""

    service: Process
    token: str

    def link(self, target: str) -> str:
        """Make a link over HTTP; return its code."""
        made = fetch(
            f"{self.service.url}/api/v1/links",
            method="POST",
            token=self.token,
            payload={"url": target},
        )
        assert 201 == made.status, made.body
        return str(made.json()["code"])

    def total(self, code: str) -> int:
        """What the statistics say."""
        answer = fetch(f"{self.service.url}/stats/{code}", token=self.token)
        assert 200 == answer.status, answer.body
        return int(answer.json()["total"])

    def click(self, code: str, number: int) -> float:
        """Click so often; each is acknowledged and leads on. Returns when the last was."""
        answers = click(f"{self.service.url}/{code}", number)
        last = time.monotonic()
        assert {302: number} == statuses(answers)
        return last


@pytest.fixture
def owner(processes: Processes) -> Owner:
    """Signed up, then logged in, over HTTP."""
    service = processes.service()
    account = {"email": "owner@example.com", "password": PASSWORD}
    for path, expected in (("signup", 201), ("login", 200)):
        answer = fetch(f"{service.url}/api/v1/{path}", method="POST", payload=account)
        assert expected == answer.status, answer.body
    return Owner(service, answer.json()["token"])


def test_clicks_reach_the_statistics(
    owner: Owner, processes: Processes, sql: psycopg.Connection, measured: Measured
) -> None:
    """50 clicks are a total of 50 moments later; 20 more, sent without a relay, wait for it."""
    relay = processes.relay()
    code = owner.link("https://example.com/experiment")
    last = owner.click(code, 50)
    until(lambda: owner.total(code) == 50, "a total of 50", 10)
    measured("last click to total", time.monotonic() - last)

    assert 0 == relay.stop().code
    owner.click(code, 20)
    assert 20 == count(sql, "outbox")
    assert 50 == owner.total(code)

    started = time.monotonic()
    processes.relay()
    until(lambda: owner.total(code) == 70, "a total of 70", 30)
    measured("relay started to total", time.monotonic() - started)
    assert {"outbox": 0, "clicks": 70, "dead_letters": 0} == counts(sql)


def test_failing_handlings_lose_no_click(
    owner: Owner, processes: Processes, sql: psycopg.Connection, measured: Measured
) -> None:
    """With half of all handlings failing, 100 clicks are 100 rows, and the retries show on them."""
    relay = processes.relay(RELAY_FAULT_RATE="0.5", RELAY_BACKOFF_SECONDS="0.05")
    assert [0.5] == [entry["rate"] for entry in relay.logged("fault_drill")]
    code = owner.link("https://example.com/half")
    last = owner.click(code, 100)
    until(lambda: owner.total(code) == 100, "a total of 100", 30)
    measured("last click to total, half of the handlings failing", time.monotonic() - last)
    assert {"outbox": 0, "clicks": 100, "dead_letters": 0} == drained(sql)
    retried = value(sql, "SELECT count(*) FROM clicks WHERE attempts > 1")
    assert 0 < retried < 100
    failed = value(sql, "SELECT sum(attempts - 1) FROM clicks")
    assert failed == len(relay.logged("event_failed"))
    processes.cli("relay", "verify")
