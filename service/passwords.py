"""Hashes passwords with argon2id, away from the event loop: redirects are not to wait for it."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from service.errors import Unavailable

THREADS = 1
"""Hashings at once, hence 64 MiB at once; more would only take the redirects' core as well."""

MEMORY, PASSES, LANES = 64 * 1024, 1, 1
"""KiB, passes and threads of one hashing: above OWASP's and ASVS 5.0's 46 MiB, 1 and 1.

RFC 9106 has more passes on 4 threads, where cores are free for that; here redirects need them.
"""

NICENESS = 10
"""Of the threads that hash: while redirects want the processor they get nine tenths of it."""

WAITING = 32
"""Hashings that may wait or run; past it logins are shed, since each takes a tenth of a second."""

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


def _give_way() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process that gives way
        os.nice(NICENESS)


class Passwords:
    """Holds the thread that hashes; `close` lets go of it."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(PASSES, MEMORY, LANES)
        self._threads = ThreadPoolExecutor(
            THREADS, thread_name_prefix="passwords", initializer=_give_way
        )
        self._waiting = 0
        self._dummy = _hash_of_nothing(self._hasher)

    async def hash(self, password: str) -> str:
        """Return a hash to keep. Raises Unavailable when too many wait already."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` made `stored`; None and what is no hash never, and take as long.

        Raises Unavailable when too many wait already.
        """
        return await self._run(lambda: self._verify(stored, password))

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than a hash of today."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """End the thread; what waits is dropped, what runs is finished."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _verify(self, stored: str | None, password: str) -> bool:
        if stored is not None:
            try:
                return self._hasher.verify(stored, password)
            except VerifyMismatchError:
                return False
            except (VerificationError, ValueError):
                pass  # refused before anything was computed
        with suppress(VerificationError):
            self._hasher.verify(self._dummy, password)
        return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise Unavailable("Too many passwords are being checked; try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
