import time
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

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


async def test_unknown_user_takes_as_long(hashing: Passwords) -> None:
    """Whether an account exists cannot be read off a clock: both ways hash once."""
    stored = await hashing.hash("correct horse")

    async def fastest(hash_: str | None) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            await hashing.verify(hash_, "wrong horse")
            times.append(time.perf_counter() - started)
        return min(times)

    known, unknown = await fastest(stored), await fastest(None)
    assert known / 2 < unknown < known * 2


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
