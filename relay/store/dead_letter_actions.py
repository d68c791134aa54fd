"""The record of what was done to dead letters, by whom, to which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import AsyncConnection
from psycopg.rows import class_row

from relay.store.dead_letters import Choice
from service.contract import statements
from service.contract.events import LinkId, MessageId

_SQL = statements.load("relay")

Action = Literal["replay", "discard"]

Fate = Literal["counted", "waiting", "dead", "gone"]
"""Where an event is now: in `clicks`, `outbox`, `dead_letters`, or nowhere: discarded, or gone with
its link.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done to which letters, and what the record says about it: who asked and why.

    `most`: only so many, the oldest.
    """

    action: Action
    choice: Choice
    os_user: str | None = None
    reason: str | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """An action that has begun: `planned` letters match, `through` is the last of them."""

    id: int
    planned: int
    through: MessageId


@dataclass(frozen=True, slots=True)
class Recorded:
    """An action as it stands in the record; `choice` is JSON text, an empty object means all.

    Fewer `events` than `planned`: it was killed, or somebody else took the others.
    """

    id: int
    at: datetime
    last_at: datetime
    action: Action
    role: str
    os_user: str | None
    choice: str
    reason: str | None
    planned: int
    events: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A letter that an action took, as it was then, and where its event is now."""

    message_id: MessageId
    link_id: LinkId
    occurred_at: str
    attempts: int
    fingerprint: str
    error_class: str
    error_message: str
    fate: Fate


async def dead_letter_action_open(connection: AsyncConnection, order: Order) -> Opened | None:
    """Write the record of an action that begins; None, and no record, when no letter matches.

    Call it in the transaction of the action's first batch: no record without a deed.
    """
    async with connection.cursor(row_factory=class_row(Opened)) as cursor:
        await cursor.execute(
            _SQL["dead_letter_action_open"],
            {
                **order.choice.parameters(),
                "action": order.action,
                "os_user": order.os_user,
                "reason": order.reason,
                "most": order.most,
            },
        )
        return await cursor.fetchone()


async def dead_letter_actions_list(
    connection: AsyncConnection, most: int, action_id: int | None = None
) -> list[Recorded]:
    """Return the latest actions, latest first, or the one asked for."""
    async with connection.cursor(row_factory=class_row(Recorded)) as cursor:
        await cursor.execute(
            _SQL["dead_letter_actions_list"], {"most": most, "action_id": action_id}
        )
        return await cursor.fetchall()


async def dead_letter_action_events(
    connection: AsyncConnection, action_id: int
) -> AsyncIterator[Taken]:
    """Yield the letters an action took, oldest first, all as of one instant."""
    async with connection.cursor(row_factory=class_row(Taken)) as cursor:
        async for taken in cursor.stream(
            _SQL["dead_letter_action_events"], {"action_id": action_id}
        ):
            yield taken
