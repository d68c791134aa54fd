"""The record of what was done to dead letters."""

from __future__ import annotations

from psycopg import AsyncConnection

from relay.store.dead_letter_actions import (
    Order,
    dead_letter_action_events,
    dead_letter_action_open,
    dead_letter_actions_list,
)
from relay.store.dead_letters import Choice
from service.contract.events import MessageId, new_message_id


async def dead(db: AsyncConnection, number: int) -> list[MessageId]:
    """Make so many letters; return their ids, oldest first."""
    made = [new_message_id() for _ in range(number)]
    await db.execute(
        "INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts,"
        " error_class, error_message, first_failed_at)"
        " SELECT id, 7, 'infinity', '{}', 5, 'KeyError', 'no ' || id, now()"
        " FROM unnest(%s::uuid[]) AS id",
        [made],
    )
    return made


async def test_what_matches_at_the_start(db: AsyncConnection) -> None:
    """A record begins with how many letters match and the last of them; without any there is none."""
    assert None is await dead_letter_action_open(db, Order("replay", Choice()))
    ids = await dead(db, 5)
    opened = await dead_letter_action_open(db, Order("replay", Choice(), most=3))
    assert opened is not None
    assert (3, ids[2]) == (opened.planned, opened.through)
    opened = await dead_letter_action_open(db, Order("replay", Choice(ids[1:4])))
    assert opened is not None
    assert (3, ids[3]) == (opened.planned, opened.through)


async def test_latest_first(db: AsyncConnection) -> None:
    """The list begins with the latest action and ends at its limit; one can be asked for."""
    await dead(db, 1)
    for reason in ("one", "two", "three"):
        await dead_letter_action_open(db, Order("discard", Choice(code=None), "ada", reason))
    listed = await dead_letter_actions_list(db, 2)
    assert ["three", "two"] == [each.reason for each in listed]
    assert ("discard", "ada", "{}", 1, 0) == (
        listed[0].action,
        listed[0].os_user,
        listed[0].choice,
        listed[0].planned,
        listed[0].events,
    )
    assert [listed[1]] == await dead_letter_actions_list(db, 100, listed[1].id)
    assert [] == await dead_letter_actions_list(db, 100, 12345)


async def test_where_events_are_now(db: AsyncConnection) -> None:
    """Each letter of an action with its event's fate: counted, waiting, dead again, or gone."""
    ids = await dead(db, 4)
    opened = await dead_letter_action_open(db, Order("replay", Choice()))
    assert opened is not None
    await db.execute(
        "INSERT INTO dead_letter_action_events SELECT %s, message_id, link_id, occurred_at,"
        " attempts, fingerprint, error_class, error_message FROM dead_letters",
        [opened.id],
    )
    await db.execute("DELETE FROM dead_letters WHERE message_id <> %s", [ids[2]])
    await db.execute(
        "INSERT INTO clicks (message_id, link_id, occurred_at) VALUES (%s, 7, now())", [ids[0]]
    )
    await db.execute("INSERT INTO outbox (message_id, link_id) VALUES (%s, 7)", [ids[1]])
    taken = [each async for each in dead_letter_action_events(db, opened.id)]
    assert [
        (ids[0], "counted"), (ids[1], "waiting"), (ids[2], "dead"), (ids[3], "gone"),
    ] == [(each.message_id, each.fate) for each in taken]  # fmt: skip
    assert {("infinity", 5, "KeyError")} == {
        (each.occurred_at, each.attempts, each.error_class) for each in taken
    }
    assert f"no {ids[0]}" == taken[0].error_message
