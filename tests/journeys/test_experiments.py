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
        assert made.status == 201, made.body
        return str(made.json()["code"])

    def total(self, code: str) -> int:
        """What the statistics say."""
        answer = fetch(f"{self.service.url}/stats/{code}", token=self.token)
        assert answer.status == 200, answer.body
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
    signed_up = fetch(f"{service.url}/api/v1/signup", method="POST", payload=account)
    assert signed_up.status == 201, signed_up.body
    logged_in = fetch(f"{service.url}/api/v1/login", method="POST", payload=account)
    assert logged_in.status == 200, logged_in.body
    return Owner(service, logged_in.json()["token"])


def test_clicks_reach_the_statistics(
    owner: Owner, processes: Processes, sql: psycopg.Connection, measured: Measured
) -> None:
    """50 clicks are a total of 50 moments later; 20 more, sent without a relay, wait for it."""
    relay = processes.relay()
    code = owner.link("https://example.com/experiment")
    last = owner.click(code, 50)
    until(lambda: owner.total(code) == 50, "a total of 50", 10)
    measured("last click to total", time.monotonic() - last)

    assert relay.stop().code == 0
    owner.click(code, 20)
    assert count(sql, "outbox") == 20
    assert owner.total(code) == 50

    started = time.monotonic()
    processes.relay()
    until(lambda: owner.total(code) == 70, "a total of 70", 30)
    measured("relay started to total", time.monotonic() - started)
    assert counts(sql) == {"outbox": 0, "clicks": 70, "dead_letters": 0}


def test_failing_handlings_lose_no_click(
    owner: Owner, processes: Processes, sql: psycopg.Connection, measured: Measured
) -> None:
    """With half of all handlings failing, 100 clicks are 100 rows, and the retries show on them."""
    relay = processes.relay(RELAY_FAULT_RATE="0.5", RELAY_BACKOFF_SECONDS="0.05")
    assert [entry["rate"] for entry in relay.logged("fault_drill")] == [0.5]
    code = owner.link("https://example.com/half")
    last = owner.click(code, 100)
    until(lambda: owner.total(code) == 100, "a total of 100", 30)
    measured("last click to total, half of the handlings failing", time.monotonic() - last)
    assert drained(sql) == {"outbox": 0, "clicks": 100, "dead_letters": 0}
    retried = value(sql, "SELECT count(*) FROM clicks WHERE attempts > 1")
    assert 0 < retried < 100
    failed = value(sql, "SELECT sum(attempts - 1) FROM clicks")
    until(
        lambda: failed == sum(entry["times"] for entry in relay.logged("event_failed")),
        "all failures told",
    )
    processes.cli("relay", "verify")
