"""Answers kept for whoever asks again with the same Idempotency-Key."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from service.accounts import UserId
from service.contract import statements

_SQL = statements.load("service")


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a key was used for, and what was answered; `answer` is JSON, byte for byte."""

    request_hash: bytes
    status: int
    headers: dict[str, str]
    answer: str


async def idempotency_claim(
    connection: AsyncConnection, user_id: UserId, key: str, request_hash: bytes
) -> bool:
    """Take a key, once whoever has it just now is done. False: it was used within a day."""
    cursor = await connection.execute(
        _SQL["idempotency_claim"], {"user_id": user_id, "key": key, "request_hash": request_hash}
    )
    return await cursor.fetchone() is not None


async def idempotency_find(
    connection: AsyncConnection, user_id: UserId, key: str
) -> Remembered | None:
    """Return what a key was used for. None: nothing that was finished."""
    async with connection.cursor(row_factory=class_row(Remembered)) as cursor:
        await cursor.execute(_SQL["idempotency_find"], {"user_id": user_id, "key": key})
        return await cursor.fetchone()


async def idempotency_keep(
    connection: AsyncConnection, user_id: UserId, key: str, done: Remembered
) -> None:
    """Note what was answered, in the transaction that claimed the key."""
    await connection.execute(
        _SQL["idempotency_keep"],
        {
            "user_id": user_id,
            "key": key,
            "status": done.status,
            "headers": Jsonb(done.headers),
            "answer": done.answer,
        },
    )
