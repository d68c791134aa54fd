"""Hashes passwords with argon2id, away from the event loop: redirects are not to wait for it."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from service.errors import Unavailable

THREADS = 2

WAITING = 64
"""Hashings that may wait or run; past it logins are shed, since each takes tens of milliseconds."""

T = TypeVar("T")


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Return what no password hashes to, as dear to compare with as a hash of today.

    Written down instead of hashed: the 64 MiB that hashing takes are not to be every start's.
    """
    salt, digest = (
        b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


class Passwords:
    """Holds the threads that hash; `close` lets go of them."""

    def __init__(self) -> None:
        # The library's defaults are RFC 9106's second recommendation: 64 MiB, 3 passes, 4 lanes.
        self._hasher = PasswordHasher()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        self._dummy = _hash_of_nothing(self._hasher)

    async def hash(self, password: str) -> str:
        """Return a hash to keep. Raises Unavailable when too many wait already."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` made `stored`; None never, and takes as long to find out.

        Raises Unavailable when too many wait already.
        """
        return await self._run(lambda: self._verify(stored, password))

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than a hash of today."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """End the threads; what waits is dropped, what runs is finished."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            self._hasher.verify(stored or self._dummy, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise Unavailable("Too many passwords are being checked; try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
