import asyncio

import psycopg
import pytest

from service.accounts import UserId
from service.contract import statements
from service.contract.postgres import Database
from service.store.links import (
    NEWEST,
    link_by_code,
    link_create,
    link_delete,
    link_lock,
    links_all,
    links_of_owner,
)
from service.store.users import user_create
from tests.support.plans import scanned

URL = "https://example.com"


async def test_link_is_read_back(db: psycopg.AsyncConnection) -> None:
    """What was created is what is found, its owner's e-mail included."""
    user = await user_create(db, "ada@example.com", "!")
    assert user is not None
    link = await link_create(db, "abc", URL, user.id, "title")
    assert link is not None
    assert "ada@example.com" == link.owner
    assert link == await link_by_code(db, "abc") == await link_lock(db, "abc")
    assert [link] == await links_all(db, NEWEST, 9) == await links_of_owner(db, user.id, NEWEST, 9)


async def test_link_may_have_no_owner(db: psycopg.AsyncConnection) -> None:
    """A link made on the command line belongs to nobody."""
    link = await link_create(db, "abc", URL, None)
    assert link is not None
    assert (None, None) == (link.owner_id, link.owner)
    assert link == await link_by_code(db, "abc")


async def test_taken_code_makes_nothing(db: psycopg.AsyncConnection) -> None:
    """A second link with the code is not made and the first is not changed."""
    first = await link_create(db, "abc", URL, None)
    assert await link_create(db, "abc", "https://other.example", None) is None
    assert first == await link_by_code(db, "abc")


async def test_delete_is_done_once(db: psycopg.AsyncConnection) -> None:
    """The first delete leaves word for the relay, the second finds nothing."""
    link = await link_create(db, "abc", URL, None)
    assert link is not None
    assert await link_delete(db, link.id)
    assert not await link_delete(db, link.id)
    cursor = await db.execute("SELECT link_id FROM deleted_links")
    assert [(link.id,)] == await cursor.fetchall()


async def test_locked_link_is_still_read(db: psycopg.AsyncConnection, database: Database) -> None:
    """A writer that holds a link does not hold up its redirects."""
    await link_create(db, "abc", URL, None)
    async with await database.aconnect() as other, db.transaction():
        await link_lock(db, "abc")
        assert await asyncio.wait_for(link_by_code(other, "abc"), 1) is not None


@pytest.mark.parametrize("name", ["link_by_code", "links_of_owner", "links_all"])
async def test_reads_use_an_index(db: psycopg.AsyncConnection, name: str) -> None:
    """Among 20,000 links of 100 owners every read goes by an index."""
    await db.execute(
        "INSERT INTO users (email, password_hash) SELECT n || '@example.com', '!'"
        " FROM generate_series(1, 100) AS n"
    )
    await db.execute(
        "INSERT INTO links (code, target, owner_id) SELECT 'c' || n, 'https://example.com',"
        " (SELECT min(id) FROM users) + n %% 100 FROM generate_series(1, 20000) AS n",
        (),
    )
    await db.execute("ANALYZE users, links")
    parameters = {"code": "c7", "owner_id": UserId(7), "below": NEWEST, "limit": 51}
    assert "links" not in await scanned(db, statements.load("service")[name], parameters)
