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


BROKEN = ["", "!", "$argon2id$broken", "$argon2id$v=19$m=65536,t=1,p=1$c2FsdA$", "$2b$12$abc", "ü"]


@pytest.mark.parametrize("stored", [None, *BROKEN])
async def test_no_hash_matches_nothing(hashing: Passwords, stored: str | None) -> None:
    """An account without a usable hash has no password at all."""
    assert not await hashing.verify(stored, "")
    assert not await hashing.verify(stored, "anything")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that passwords are compared with, in order."""
    seen: list[str] = []
    verify = PasswordHasher.verify

    def record(hasher: PasswordHasher, stored: str, password: str) -> bool:
        seen.append(stored)
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", record)
    return seen


@pytest.mark.parametrize("stored", BROKEN)
async def test_broken_hash_takes_as_long(
    hashing: Passwords, compared: list[str], stored: str
) -> None:
    """What is refused before anything is computed is made up for by a hashing of the usual cost."""
    assert not await hashing.verify(stored, "anything")
    assert [stored] == compared[:-1]
    assert not hashing.needs_rehash(compared[-1])


async def test_costs_are_above_the_least(hashing: Passwords) -> None:
    """46 MiB, one pass, one lane at least (OWASP; ASVS 5.0, appendix C)."""
    costs = extract_parameters(await hashing.hash("correct horse"))
    assert costs.memory_cost >= 46 * 1024
    assert costs.time_cost >= 1
    assert costs.parallelism >= 1
    assert passwords.THREADS * costs.memory_cost <= 128 * 1024


async def test_unknown_user_takes_as_long(hashing: Passwords, compared: list[str]) -> None:
    """Whether an account exists cannot be read off a clock: both ways the same is computed."""
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
