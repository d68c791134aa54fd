"""Allows or refuses: what guesses passwords or makes accounts, and how often one user asks."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from aiohttp import web

from service.accounts import UserId
from service.allowances import Limit, Taken, neighbourhood
from service.connections import connection
from service.errors import TooManyRequests
from service.peers import address_of
from service.problems import BESIDES
from service.settings import ServiceSettings
from service.store.allowances import allowance_give_back, allowance_take

Attempt = Literal["login", "signup", "setup", "password", "invite"]
"""What is limited by account and address; each has an allowance of its own."""

WINDOW = timedelta(minutes=15)
"""Time for which the limits of attempts are given."""

MINUTE = timedelta(minutes=1)

POLICY, STANDING = "RateLimit-Policy", "RateLimit"
"""As of draft-ietf-httpapi-ratelimit-headers-10."""


class Throttle:
    """What everybody may do, and under which key it is kept who has done how much of it."""

    def __init__(self, settings: ServiceSettings, key: bytes) -> None:
        self.account = Limit(settings.login_limit, WINDOW)
        self.address = Limit(settings.address_limit, WINDOW)
        self.caller = Limit(settings.api_rate_limit, MINUTE)
        self._key = key

    def key(self, kind: str, subject: str) -> bytes:
        """Return the key of an allowance. Without ours nobody can tell whose it is."""
        # A token is signed over text without NUL: this is no signature of one.
        said = f"allowance\0{kind}\0{subject}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, said, "sha256")


THROTTLE = web.AppKey("throttle", Throttle)


@dataclass(frozen=True, slots=True)
class Allowed:
    """An attempt that may go on; its units are used up unless they are given back."""

    request: web.Request
    units: tuple[tuple[bytes, Limit], ...]

    async def give_back(self) -> None:
        """Give the units back: the attempt was right, and whoever is right is not limited."""
        async with connection(self.request) as held:
            for key, limit in self.units:
                await allowance_give_back(held, key, limit)


async def allow(request: web.Request, attempt: Attempt, account: str | None = None) -> Allowed:
    """Take a unit of the account's allowance for such attempts and one of the client address's.

    To be called before the attempt is looked at, so that of many at once no more get through.
    `account` is whatever was claimed, whether there is such an account or not.
    Raises TooManyRequests; where only the address is over its limit, the account loses nothing.
    """
    throttle = request.app[THROTTLE]
    wanted = [(f"{attempt} address", neighbourhood(address_of(request)), throttle.address)]
    if account is not None:
        wanted.append((f"{attempt} account", account, throttle.account))
    units: list[tuple[bytes, Limit]] = []
    async with connection(request) as held:
        for kind, subject, limit in wanted:
            if not limit.quota:
                continue
            key = throttle.key(kind, subject)
            taken = await allowance_take(held, key, limit)
            if not taken.allowed:
                raise _refused(taken, "Too many tries.")
            units.append((key, limit))
    return Allowed(request, tuple(units))


async def charge(request: web.Request, user_id: UserId) -> None:
    """Take a unit of what a user may ask in a minute, whether by session or by any key.

    The answer, whatever it is, says how much is left. Raises TooManyRequests.
    """
    throttle = request.app[THROTTLE]
    limit = throttle.caller
    if not limit.quota:
        return
    async with connection(request) as held:
        taken = await allowance_take(held, throttle.key("caller", str(user_id)), limit)
    request[BESIDES] = {
        POLICY: f'"default";q={limit.quota};w={int(limit.window.total_seconds())}',
        STANDING: f'"default";r={taken.remaining};t={taken.full_after}',
    }
    if not taken.allowed:
        raise _refused(taken, "Too many requests.")


def _refused(taken: Taken, what: str) -> TooManyRequests:
    seconds = taken.retry_after
    return TooManyRequests(f"{what} Try again in {seconds} seconds.", retry_after=seconds)
