from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.contract.postgres import Database
from service.misses import ADDRESSES, Misses
from service.settings import ServiceSettings
from tests.support.declared import checking
from tests.support.ledger import count, make_link

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_each_address_has_its_own() -> None:
    """One address's guesses do not cost another one's."""
    misses = Misses(2)
    assert [True, True, False] == [misses.missed("192.0.2.1", NOW).allowed for _ in range(3)]
    assert misses.missed("192.0.2.2", NOW).allowed
    assert misses.missed("192.0.2.1", NOW + timedelta(seconds=30)).allowed
    assert not misses.missed("192.0.2.1", NOW + timedelta(seconds=30)).allowed


def test_memory_is_bounded() -> None:
    """However many addresses miss, so many are kept: those that missed last."""
    misses = Misses(1)
    for n in range(ADDRESSES + 100):
        misses.missed(f"2001:db8:{n:x}::1", NOW)
    assert ADDRESSES == len(misses._full_at)
    assert not misses.missed(f"2001:db8:{ADDRESSES + 99:x}::1", NOW).allowed
    assert misses.missed("2001:db8:0::1", NOW).allowed


@pytest.mark.parametrize("limit, seen", [(3, [404] * 3 + [429] * 3), (0, [404] * 6)])
async def test_unknown_codes_past_the_limit_are_429(
    settings: ServiceSettings,
    database: Database,
    db: psycopg.AsyncConnection,
    limit: int,
    seen: list[int],
) -> None:
    """Whoever tries codes is slowed down, when that is asked for; links go on for everybody."""
    await make_link(db, "hello")
    settings = settings.model_copy(update={"miss_limit": limit})
    app = create_app(settings, database, b"k" * 32, lambda _: None)
    async with TestClient(TestServer(app), trace_configs=[checking()]) as client:
        answers = [await client.get(f"/no{n}") for n in range(6)]
        assert seen == [answer.status for answer in answers]
        if limit:
            assert 0 < int(answers[-1].headers["Retry-After"]) <= 20
            assert "too_many_requests" == (await answers[-1].json())["code"]
        assert 302 == (await client.get("/hello", allow_redirects=False)).status
    assert 1 == await count(db, "outbox")
