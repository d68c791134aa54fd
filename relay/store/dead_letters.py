"""The dead letters: what failed past the cap, and the two ways out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.contract import statements
from service.contract.events import LinkId, MessageId

_SQL = statements.load("relay")

BEFORE_ALL = MessageId(UUID(int=0))
"""A place in the order of message ids that every letter is behind."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant: those that match every criterion given; none given, all."""

    message_ids: list[MessageId] | None = None
    error_class: str | None = None
    code: str | None = None
    fingerprint: str | None = None

    def parameters(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as it stands; `event` is the whole event as JSON text, `code` None when the
    link is gone.
    """

    message_id: MessageId
    link_id: LinkId
    code: str | None
    occurred_at: str
    event: str
    attempts: int
    fingerprint: str
    error_class: str
    error_message: str
    first_failed_at: datetime
    dead_at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one cause; the example is the oldest of them and what it says."""

    fingerprint: str
    error_class: str
    events: int
    links: int
    first_failed_at: datetime
    last_dead_at: datetime
    example_id: MessageId
    example: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What an action would take. A replay of the `orphans`, whose link is deleted, and of the
    `counted`, which are clicks already, would add no click.
    """

    events: int
    groups: int
    links: int
    orphans: int
    counted: int


@dataclass(frozen=True, slots=True)
class Span:
    """A batch of an action: at most `limit` letters behind `after`, none behind `through`."""

    action_id: int
    after: MessageId
    through: MessageId
    limit: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch has done: of `seen` letters, `last` the last of them, it took `events`.

    The others were taken by somebody else meanwhile. Fewer seen than the limit: there are no more.
    """

    seen: int
    events: int
    last: MessageId | None


async def dead_letters_list(
    connection: AsyncConnection, choice: Choice, most: int
) -> list[DeadLetter]:
    """Return the chosen dead letters, latest first, at most so many."""
    async with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(_SQL["dead_letters_list"], {**choice.parameters(), "most": most})
        return await cursor.fetchall()


async def dead_letters_groups(
    connection: AsyncConnection, choice: Choice, most: int | None = None
) -> list[Group]:
    """Return the chosen dead letters, or the oldest of them, by cause, the largest group first."""
    async with connection.cursor(row_factory=class_row(Group)) as cursor:
        await cursor.execute(_SQL["dead_letters_groups"], {**choice.parameters(), "most": most})
        return await cursor.fetchall()


async def dead_letters_rehearse(
    connection: AsyncConnection, choice: Choice, most: int | None = None
) -> Rehearsal:
    """Tell what an action on the chosen letters, or the oldest of them, would take."""
    async with connection.cursor(row_factory=class_row(Rehearsal)) as cursor:
        await cursor.execute(_SQL["dead_letters_rehearse"], {**choice.parameters(), "most": most})
        found = await cursor.fetchone()
    if found is None:
        raise AssertionError("an aggregate returns one row")
    return found


async def dead_letters_replay(connection: AsyncConnection, choice: Choice, span: Span) -> Step:
    """Put the next of the chosen events back into the outbox, message_id kept, no attempts.

    Twice changes nothing: the second time there is nothing left to put back.
    """
    async with connection.cursor(row_factory=class_row(Step)) as cursor:
        await cursor.execute(_SQL["dead_letters_replay"], {**choice.parameters(), **asdict(span)})
        return _only(await cursor.fetchone())


async def dead_letters_discard(connection: AsyncConnection, choice: Choice, span: Span) -> Step:
    """Delete the next of the chosen dead letters for good."""
    async with connection.cursor(row_factory=class_row(Step)) as cursor:
        await cursor.execute(_SQL["dead_letters_discard"], {**choice.parameters(), **asdict(span)})
        return _only(await cursor.fetchone())


def _only(step: Step | None) -> Step:
    if step is None:
        raise AssertionError("a query without FROM returns one row")
    return step
