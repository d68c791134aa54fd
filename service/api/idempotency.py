"""Idempotency-Key: a request that is sent again, because its answer was lost, does nothing again.

The key, the work and its answer are one transaction. A service killed in its middle leaves none of
them; whoever asks again meanwhile waits for it to end. Only success is kept: a refusal has done
nothing, and may be something else the next time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from psycopg import AsyncConnection

from service.accounts import UserId
from service.bodies import Body
from service.errors import Invalid, KeyReused, Problem
from service.store.idempotency import (
    Remembered,
    idempotency_claim,
    idempotency_find,
    idempotency_keep,
)

HEADER = "Idempotency-Key"

REPLAYED = {"Idempotency-Replayed": "true"}
"""Headers of an answer that is given again."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A success, as it was answered and will be again."""

    status: int
    headers: Mapping[str, str]
    answer: dict[str, Any]


async def idempotent(
    held: AsyncConnection,
    request: web.Request,
    owner: UserId,
    wanted: Body,
    work: Callable[[AsyncConnection], Awaitable[Kept]],
) -> tuple[Kept, bool]:
    """Do the work in a transaction, or return what it answered when it was done with this key.

    Raises Invalid when the key cannot be one, KeyReused when it was another request's, and what the
    work raises.
    """
    key = _key(request)
    async with held.transaction():
        if key is None:
            return await work(held), False
        digest = _digest(request, wanted)
        if not await idempotency_claim(held, owner, key, digest):
            remembered = await idempotency_find(held, owner, key)
            if remembered is None or remembered.request_hash != digest:
                raise KeyReused("Use a new Idempotency-Key for another request.")
            return Kept(remembered.status, remembered.headers, remembered.answer), True
        kept = await work(held)
        done = Remembered(digest, kept.status, dict(kept.headers), kept.answer)
        await idempotency_keep(held, owner, key, done)
        return kept, False


def _key(request: web.Request) -> str | None:
    given = request.headers.getall(HEADER, [])
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Invalid(
            [Problem(HEADER, "Give it once, 1 to 255 visible ASCII characters.", "bad_key")]
        )
    return given[0]


def _digest(request: web.Request, wanted: Body) -> bytes:
    """What was asked for, whatever spaces and order of members it was written with."""
    # In ASCII: what a bulk call holds has not been looked at yet, and may be no text at all.
    members = json.dumps(wanted.model_dump(), sort_keys=True, default=str)
    said = f"{request.method} {request.path}\n{members}"
    return hashlib.sha256(said.encode()).digest()
