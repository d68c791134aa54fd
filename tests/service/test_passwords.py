from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher, extract_parameters

from service import passwords
from service.errors import Unavailable
from service.passwords import Passwords


@pytest.fixture
def hashing() -> Iterator[Passwords]:
    """Threads that hash."""
    held = Passwords()
    yield held
    held.close()


async def test_hash_is_verified(hashing: Passwords) -> None:
    """A hash is argon2id, salted anew each time, and recognises its own password only."""
    stored = await hashing.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert stored != await hashing.hash("correct horse")
    assert await hashing.verify(stored, "correct horse")
    assert not await hashing.verify(stored, "wrong horse")


@pytest.mark.parametrize("stored", [None, "", "!", "$argon2id$broken"])
async def test_no_hash_matches_nothing(hashing: Passwords, stored: str | None) -> None:
    """An account without a usable hash has no password at all."""
    assert not await hashing.verify(stored, "")
    assert not await hashing.verify(stored, "anything")


async def test_unknown_user_takes_as_long(
    hashing: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether an account exists cannot be read off a clock: both ways the same is computed."""
    compared: list[str] = []
    verify = PasswordHasher.verify

    def record(hasher: PasswordHasher, stored: str, password: str) -> bool:
        compared.append(stored)
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", record)
    stored = await hashing.hash("correct horse")
    assert not await hashing.verify(stored, "wrong horse")
    assert not await hashing.verify(None, "wrong horse")
    known, unknown = compared
    assert known != unknown
    assert not hashing.needs_rehash(unknown)
    assert extract_parameters(known) == extract_parameters(unknown)
    assert [len(part) for part in known.split("$")] == [len(part) for part in unknown.split("$")]


async def test_needs_rehash_of_older_parameters(hashing: Passwords) -> None:
    """A hash of today stays, one of weaker parameters is to be replaced."""
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("correct horse")
    assert hashing.needs_rehash(weak)
    assert not hashing.needs_rehash(await hashing.hash("correct horse"))


async def test_too_many_are_shed(hashing: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound nothing waits: the caller is told to come back."""
    monkeypatch.setattr(passwords, "WAITING", 0)
    with pytest.raises(Unavailable):
        await hashing.hash("correct horse")
