from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg

from service.accounts import UserId
from service.contract.postgres import Database
from service.keys import ACTIVE_LIMIT
from service.store.api_keys import (
    ApiKey,
    api_key_create,
    api_key_revoke,
    api_key_use,
    api_keys_lock,
    api_keys_of_user,
)
from service.store.users import user_create
from tests.support.accounts import disable


async def account(db: psycopg.AsyncConnection, email: str = "ada@example.com") -> UserId:
    """An account."""
    user = await user_create(db, email, "!")
    assert user is not None
    return user.id


async def make(
    db: psycopg.AsyncConnection, user_id: UserId, secret: bytes, until: datetime | None = None
) -> ApiKey:
    """A key."""
    key = await api_key_create(db, user_id, "a name", secret, ["links:read"], until)
    assert key is not None
    return key


async def test_a_key_stands_for_its_owner(db: psycopg.AsyncConnection) -> None:
    """By its hash a key is found with its scopes and its owner, as long as it holds."""
    user_id = await account(db)
    key = await make(db, user_id, b"secret", datetime.now(UTC) + timedelta(days=1))
    used = await api_key_use(db, b"secret")
    assert used is not None
    assert (key.id, frozenset(["links:read"]), user_id) == (used.key_id, used.scopes, used.user.id)
    assert await api_key_use(db, b"other") is None
    await db.execute("UPDATE api_keys SET expires_at = now()")
    assert await api_key_use(db, b"secret") is None
    await db.execute("UPDATE api_keys SET expires_at = NULL")
    assert await api_key_use(db, b"secret") is not None
    await disable(db, "ada@example.com")
    assert await api_key_use(db, b"secret") is None


async def test_revoking_is_its_owners(db: psycopg.AsyncConnection) -> None:
    """A revoked key is over at once; another account cannot revoke it; the first time stands."""
    user_id = await account(db)
    key = await make(db, user_id, b"secret")
    assert await api_key_revoke(db, await account(db, "bob@example.com"), key.id) is None
    assert await api_key_use(db, b"secret") is not None
    once = await api_key_revoke(db, user_id, key.id)
    assert await api_key_use(db, b"secret") is None
    assert once == await api_key_revoke(db, user_id, key.id)
    assert [once] == await api_keys_of_user(db, user_id)


async def test_last_use_is_noted_once_a_minute(db: psycopg.AsyncConnection) -> None:
    """Requests in quick succession write once; after a minute again."""
    user_id = await account(db)
    await make(db, user_id, b"secret")

    async def version() -> tuple[str, datetime]:
        cursor = await db.execute(
            "SELECT xmin::text, coalesce(last_used_at, '2000-01-01Z') FROM api_keys"
        )
        return (await cursor.fetchall())[0]

    unused = await version()
    await api_key_use(db, b"secret")
    first = await version()
    assert unused[1] < first[1]
    for _ in range(5):
        await api_key_use(db, b"secret")
    assert first == await version()
    await db.execute("UPDATE api_keys SET last_used_at = last_used_at - interval '61 seconds'")
    await api_key_use(db, b"secret")
    assert (await version())[1] > first[1]


async def test_so_many_and_no_more(database: Database, db: psycopg.AsyncConnection) -> None:
    """Of many keys made at once an account gets as many as it may; one that is over makes room."""
    user_id = await account(db)
    for n in range(ACTIVE_LIMIT - 3):
        await make(db, user_id, b"%d" % n)

    async def one(n: int) -> ApiKey | None:
        async with await database.aconnect("one of many") as connection, connection.transaction():
            await api_keys_lock(connection, user_id)
            return await api_key_create(
                connection, user_id, "many", b"many %d" % n, ["links:read"], None
            )

    made = [key for key in await asyncio.gather(*(one(n) for n in range(8))) if key]
    assert 3 == len(made)
    await api_key_revoke(db, user_id, made[0].id)
    assert await one(100) is not None
    assert await one(101) is None
    await db.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", (made[1].id,))
    assert await one(102) is not None


async def test_keys_that_are_over_do_not_pile_up(db: psycopg.AsyncConnection) -> None:
    """Of those that are over the latest stay to be looked at."""
    user_id = await account(db)
    for n in range(ACTIVE_LIMIT + 20):
        key = await make(db, user_id, b"%d" % n)
        await api_key_revoke(db, user_id, key.id)
    latest = await make(db, user_id, b"latest")
    keys = await api_keys_of_user(db, user_id)
    assert (ACTIVE_LIMIT + 1, latest) == (len(keys), keys[0])
