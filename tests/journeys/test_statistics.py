"""Who may read statistics, and what they cover."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from service.contract.postgres import Database
from tests.support.http import fetch
from tests.support.processes import Processes
from tests.support.traffic import add_events_at, drained, value

pytestmark = pytest.mark.process

DAYS = 45
PASSWORD = "correct horse battery staple\n"


def test_statistics_are_the_owners(
    processes: Processes, database: Database, sql: psycopg.Connection
) -> None:
    """Owner and admin see all 45 days in the total and 30 by day; others 403, 401, unknown 404."""
    service = processes.service()
    tokens = {}
    for name, role in (("owner", "user"), ("other", "user"), ("admin", "admin")):
        email = f"{name}@example.com"
        add = ("service", "user", "add", email, "--role", role, "--password-stdin")
        processes.cli(*add, stdin=PASSWORD)
        tokens[name] = processes.cli("service", "token", email).stdout.strip()
    made = fetch(
        f"{service.url}/api/v1/links",
        method="POST",
        token=tokens["owner"],
        payload={"url": "https://example.com/", "code": "stats-journey"},
    )
    assert made.status == 201
    link_id = value(sql, "SELECT id FROM links WHERE code = 'stats-journey'")
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    times = [noon - timedelta(days=back) for back in range(1, DAYS + 1)]
    add_events_at(sql, link_id, times + times)
    processes.relay()
    assert drained(sql)["clicks"] == 2 * DAYS

    url = f"{service.url}/stats/stats-journey"
    for name, expected in (("owner", 200), ("admin", 200), ("other", 403)):
        assert expected == fetch(url, token=tokens[name]).status, name
    assert fetch(url).status == 401
    assert fetch(url, token="no.such.token").status == 401
    assert fetch(f"{service.url}/stats/unknown", token=tokens["admin"]).status == 404

    stats = fetch(url, token=tokens["owner"]).json()
    assert stats["total"] == 2 * DAYS
    wanted = [{"day": f"{time:%Y-%m-%d}", "clicks": 2} for time in times[:30]]
    assert wanted == stats["by_day"]
