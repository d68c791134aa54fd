from dataclasses import replace

import psycopg

from service.accounts import UserId
from service.store.users import (
    NEWEST,
    user_by_email,
    user_create,
    user_rehash,
    user_update,
    users_all,
    users_page,
)


async def test_user_is_read_back(db: psycopg.AsyncConnection) -> None:
    """What was created is what is found; a new account is a user and enabled."""
    user = await user_create(db, "ada@example.com", "hash")
    assert user is not None
    assert ("user", None) == (user.role, user.disabled_at)
    assert user == await user_by_email(db, "ada@example.com")
    assert [user] == await users_all(db)


async def test_email_is_given_once(db: psycopg.AsyncConnection) -> None:
    """A second account with the e-mail is not made."""
    await user_create(db, "ada@example.com", "hash", "admin")
    assert await user_create(db, "ada@example.com", "other") is None


async def test_disabling_keeps_the_first_time(db: psycopg.AsyncConnection) -> None:
    """Disabling twice changes nothing, another role leaves it; an unknown account is told."""
    ada = await user_create(db, "ada@example.com", "hash")
    assert ada is not None
    once = await user_update(db, ada.id, disabled=True)
    assert once is not None
    assert once.disabled_at is not None
    assert once == await user_update(db, ada.id, disabled=True)
    assert replace(once, role="admin") == await user_update(db, ada.id, role="admin")
    assert replace(ada, role="admin") == await user_update(db, ada.id, disabled=False)
    assert await user_update(db, UserId(ada.id + 1), disabled=True) is None


async def test_pages_are_filtered(db: psycopg.AsyncConnection) -> None:
    """Accounts come newest first, below an id, by role, state and the beginning of their e-mails."""
    made = [await user_create(db, f"{name}@example.com", "!") for name in ("ada", "adam", "bob")]
    ada, adam, bob = [user for user in made if user is not None]
    adam_now = await user_update(db, adam.id, role="admin", disabled=True)
    assert [bob, adam_now, ada] == await users_page(db, NEWEST, 10)
    assert [bob] == await users_page(db, NEWEST, 1)
    assert [ada] == await users_page(db, adam.id, 10)
    assert [adam_now] == await users_page(db, NEWEST, 10, role="admin")
    assert [bob, ada] == await users_page(db, NEWEST, 10, disabled=False)
    assert [adam_now, ada] == await users_page(db, NEWEST, 10, prefix="ada")
    assert [] == await users_page(db, NEWEST, 10, prefix="%")


async def test_rehash_does_not_undo_a_change(db: psycopg.AsyncConnection) -> None:
    """A hash is replaced only while it is the one that was checked."""
    user = await user_create(db, "ada@example.com", "old")
    assert user is not None
    await user_rehash(db, user.id, "other", "new")
    assert user == await user_by_email(db, "ada@example.com")
    await user_rehash(db, user.id, "old", "new")
    changed = await user_by_email(db, "ada@example.com")
    assert changed is not None
    assert "new" == changed.password_hash
