"""The outbox's writer: one statement looks links up and records their clicks, for many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from psycopg import AsyncClientCursor, AsyncConnection, AsyncCursor
from pydantic_core import to_json

from service.contract import statements
from service.contract.durability import commit_confirm, transaction_durable
from service.contract.events import Click, RedirectCode

_SQL = statements.load("service.contract")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a code leads to. `live` is false for an expired or disabled link: no click was written."""

    target: str
    live: bool
    redirect_code: RedirectCode = 302


class Visit(NamedTuple):
    """A code that somebody asks for; `click` None when nothing is to be recorded (HEAD)."""

    code: str
    click: Click | None


async def visits_record(
    connection: AsyncConnection,
    visits: Sequence[Visit],
    *,
    again: bool = False,
    durable: bool = False,
) -> Mapping[str, Resolved]:
    """Look the codes up and put the clicks of live links into the outbox: one transaction.

    When this returns on an autocommit connection, the clicks are durably committed: by the session's
    settings, or whatever those are when `durable`. Codes without a link are not in the answer. Safe to
    repeat with the same visits, whatever became of an earlier try, as long as the later ones are
    `again`: they may find every row there, by a COMMIT that no standby has confirmed.
    """
    # One JSON document instead of an array per column: half the time in Python (8 µs → 4 µs a
    # click at 100 of them), and one parameter however many there are.
    document = to_json([_told(visit) for visit in visits]).decode()
    if again or durable:
        # Both in one round trip and one transaction: without a statement of its own the first costs
        # the usual case nothing.
        before = commit_confirm() if again else transaction_durable()
        cursor: AsyncCursor = AsyncClientCursor(connection)
        await cursor.execute(f"{before};\n{_SQL['visits_record']}", {"visits": document})
        cursor.nextset()
    else:
        cursor = await connection.execute(_SQL["visits_record"], {"visits": document}, prepare=True)
    return {
        code: Resolved(target, live, redirect_code)
        for code, target, live, redirect_code in await cursor.fetchall()
    }


def _told(visit: Visit) -> dict[str, object]:
    click = visit.click
    if click is None:
        return {"c": visit.code}
    return {"c": visit.code, "m": click.message_id, "r": click.referrer, "u": click.user_agent}
