"""Idempotency-Key: a request that is sent again, because its answer was lost, does nothing again.

The key, the work and its answer are one transaction. A service killed in its middle leaves none of
them; whoever asks again meanwhile waits for it to end. Only success is kept: a refusal has done
nothing, and may be something else the next time.

What is compared is what was sent, and what is kept is what was answered, byte for byte: neither is
looked at again. A rule, a clock or a release that has changed since makes no other answer of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from psycopg import AsyncConnection

from service.accounts import UserId
from service.api.header import Header
from service.api.operation import Answer, responded
from service.errors import Invalid, KeyReused, Malformed
from service.problem import FieldProblem
from service.store.idempotency import (
    Remembered,
    idempotency_claim,
    idempotency_find,
    idempotency_keep,
)

PATTERN = "[!-~]{1,255}"

KEY = Header(
    "Idempotency-Key",
    "Makes it safe to send again for a day: it is done once, and answered the same.",
    {"type": "string", "pattern": f"^{PATTERN}$"},
)

REPLAYED = Header(
    "Idempotency-Replayed",
    "The answer is that of an earlier request with this key.",
    {"type": "string", "const": "true"},
)

_KEY = re.compile(PATTERN)


@dataclass(frozen=True, slots=True)
class Kept:
    """A success, as it was answered and will be again; `answer` is JSON."""

    status: int
    headers: Mapping[str, str]
    answer: str

    @classmethod
    def of(cls, answer: Answer, status: int, headers: Mapping[str, str] | None = None) -> Kept:
        """Keep an answer."""
        return cls(status, headers or {}, answer.model_dump_json(by_alias=True))


async def idempotent(
    held: AsyncConnection,
    request: web.Request,
    owner: UserId,
    said: Mapping[str, object],
    work: Callable[[AsyncConnection], Awaitable[Kept]],
) -> web.Response:
    """Do the work in a transaction, or answer what it answered when it was done with this key.

    `said` is the body as it was sent; to judge it is a part of the work.

    Raises Invalid when the key cannot be one, KeyReused when it was another request's, and what the
    work raises.
    """
    key = _key(request)
    async with held.transaction():
        if key is None:
            return _told(await work(held))
        digest = _digest(request, said)
        if not await idempotency_claim(held, owner, key, digest):
            remembered = await idempotency_find(held, owner, key)
            if remembered is None or remembered.request_hash != digest:
                raise KeyReused("Use a new Idempotency-Key for another request.")
            again = {**remembered.headers, REPLAYED.name: "true"}
            return _told(Kept(remembered.status, again, remembered.answer))
        kept = await work(held)
        done = Remembered(digest, kept.status, dict(kept.headers), kept.answer)
        await idempotency_keep(held, owner, key, done)
        return _told(kept)


def _told(kept: Kept) -> web.Response:
    return responded(kept.answer, status=kept.status, headers=kept.headers)


def _key(request: web.Request) -> str | None:
    given = request.headers.getall(KEY.name, [])
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Invalid(
            [FieldProblem(KEY.name, "Give it once, 1 to 255 visible ASCII characters.", "bad_key")]
        )
    return given[0]


def _digest(request: web.Request, said: Mapping[str, object]) -> bytes:
    """What was asked for, whatever spaces and order of members it was written with."""
    try:
        # In ASCII: it has not been looked at yet, and may be no text at all.
        members = json.dumps(said, sort_keys=True)
    except RecursionError as error:
        raise Malformed("It is nested too deeply.") from error
    asked = f"{request.method} {request.path}\n{members}"
    return hashlib.sha256(asked.encode()).digest()
