import psycopg

from service.store.users import user_by_email, user_create, user_disable, user_rehash, users_all


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
    """Disabling twice changes nothing; an unknown account is told."""
    await user_create(db, "ada@example.com", "hash")
    once = await user_disable(db, "ada@example.com")
    assert once is not None
    assert once.disabled_at is not None
    assert once == await user_disable(db, "ada@example.com")
    assert await user_disable(db, "nobody@example.com") is None


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
