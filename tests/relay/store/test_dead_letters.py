"""The two ways out of dead_letters, and the choice of which take them."""

from __future__ import annotations

import pytest
from psycopg import AsyncConnection

from relay.events import PendingEvent
from relay.mover import Mover
from relay.store.dead_letters import (
    Choice,
    dead_letters_count,
    dead_letters_discard,
    dead_letters_list,
    dead_letters_replay,
)
from service.contract.events import MessageId, new_message_id
from tests.relay.conftest import MakeMover
from tests.support.ledger import (
    count,
    make_event,
    make_events,
    make_link,
    message_ids,
    rollups_equal_clicks,
)


@pytest.fixture
def killer(make_mover: MakeMover) -> Mover:
    """A mover that makes a dead letter of each event, of class KeyError or ValueError by turns."""
    kinds = iter([KeyError, ValueError] * 100)

    def handle(_: PendingEvent) -> None:
        raise next(kinds)("drill")

    return make_mover(handle=handle, max_attempts=1)


async def test_replay_brings_each_back_once(
    db: AsyncConnection, killer: Mover, mover: Mover
) -> None:
    """Replayed events are due at once, as they came, without attempts; then they are clicks."""
    link = await make_link(db)
    sent = await make_event(db, link, user_agent="Agent", referrer="https://example.org/")
    sent_too = await make_event(db, link)
    await killer.move(db)
    assert 2 == await dead_letters_replay(db, Choice())
    assert 0 == await count(db, "dead_letters")
    cursor = await db.execute(
        "SELECT message_id, link_id, occurred_at = '2026-11-24 10:30:00+00', attempts, referrer,"
        " user_agent, first_failed_at, last_error, available_at <= clock_timestamp()"
        " FROM outbox ORDER BY message_id"
    )
    assert [
        (sent, link, True, 0, "https://example.org/", "Agent", None, None, True),
        (sent_too, link, True, 0, None, None, None, None, True),
    ] == await cursor.fetchall()
    await mover.move(db)
    assert {sent, sent_too} == await message_ids(db, "clicks")
    assert await rollups_equal_clicks(db)


async def test_replay_twice_changes_nothing(
    db: AsyncConnection, killer: Mover, mover: Mover
) -> None:
    """A second replay finds nothing, whether the event still waits or is a click already."""
    sent = await make_events(db, await make_link(db), 3)
    await killer.move(db)
    choice = Choice(sent)
    assert 3 == await dead_letters_replay(db, choice)
    assert 0 == await dead_letters_replay(db, choice)
    assert set(sent) == await message_ids(db, "outbox")
    await mover.move(db)
    assert 0 == await dead_letters_replay(db, choice)
    assert (0, 3) == (await count(db, "outbox"), await count(db, "clicks"))


async def test_replay_of_a_counted_event_adds_nothing(
    db: AsyncConnection, killer: Mover, mover: Mover
) -> None:
    """A letter whose event was counted after all comes back and is dropped as a duplicate."""
    link = await make_link(db)
    (sent,) = await make_events(db, link, 1)
    await killer.move(db)
    # By hand, as the mover would have removed the letter with the click.
    await db.execute(
        "INSERT INTO clicks (message_id, link_id, occurred_at)"
        " SELECT message_id, link_id, occurred_at FROM dead_letters"
    )
    await db.execute(
        "INSERT INTO clicks_hourly"
        " SELECT link_id, date_trunc('hour', occurred_at, 'UTC'), 1 FROM clicks"
    )
    assert 1 == await dead_letters_replay(db, Choice([sent]))
    await mover.move(db)
    assert (1, 0) == (await count(db, "clicks"), await count(db, "outbox"))
    assert await rollups_equal_clicks(db)


async def test_replay_of_an_event_that_waits_already(db: AsyncConnection, killer: Mover) -> None:
    """A letter whose event is in the outbox again leaves; the one in the outbox stays one."""
    link = await make_link(db)
    (sent,) = await make_events(db, link, 1)
    await killer.move(db)
    await make_event(db, link, message_id=sent)
    assert 1 == await dead_letters_replay(db, Choice([sent]))
    assert ({sent}, 0) == (await message_ids(db, "outbox"), await count(db, "dead_letters"))


async def test_a_replayed_event_may_die_again(db: AsyncConnection, killer: Mover) -> None:
    """When the cause is not mended the event becomes a dead letter again, as whole as before."""
    sent = await make_event(db, await make_link(db), user_agent="Agent")
    await killer.move(db)
    before = await (await db.execute("SELECT event, attempts FROM dead_letters")).fetchall()
    await dead_letters_replay(db, Choice())
    await killer.move(db)
    assert {sent} == await message_ids(db, "dead_letters")
    assert before == await (await db.execute("SELECT event, attempts FROM dead_letters")).fetchall()


async def test_discard_is_for_good(db: AsyncConnection, killer: Mover) -> None:
    """Discarded letters are in no table any more; others stay."""
    sent = await make_events(db, await make_link(db), 3)
    await killer.move(db)
    assert 2 == await dead_letters_discard(db, Choice(sent[:2]))
    assert {sent[2]} == await message_ids(db, "dead_letters")
    assert (0, 0) == (await count(db, "outbox"), await count(db, "clicks"))
    assert 0 == await dead_letters_discard(db, Choice(sent[:2]))


@pytest.fixture
async def letters(db: AsyncConnection, killer: Mover) -> list[MessageId]:
    """Four dead letters: KeyError and ValueError of `one`, KeyError and ValueError of `two`."""
    made = []
    for code in ("one", "two"):
        made += await make_events(db, await make_link(db, code), 2)
        await killer.move(db)
    cursor = await db.execute(
        "SELECT message_id FROM dead_letters JOIN links ON links.id = link_id"
        " ORDER BY code, error_class"
    )
    return [MessageId(each) for (each,) in await cursor.fetchall()]


@pytest.mark.parametrize(
    "error_class, code, chosen",
    [
        (None, None, {0, 1, 2, 3}),
        ("KeyError", None, {0, 2}),
        (None, "two", {2, 3}),
        ("ValueError", "one", {1}),
        ("Keyerror", None, set()),
        (None, "no-such-code", set()),
    ],
)
async def test_the_same_choice_for_all(
    db: AsyncConnection,
    letters: list[MessageId],
    error_class: str | None,
    code: str | None,
    chosen: set[int],
) -> None:
    """Count, list, replay and discard mean the same letters by the same choice."""
    choice = Choice(None, error_class, code)
    expected = {letters[n] for n in chosen}
    assert len(expected) == await dead_letters_count(db, choice)
    assert expected == {each.message_id for each in await dead_letters_list(db, choice, 100)}
    async with db.transaction(force_rollback=True):
        assert len(expected) == await dead_letters_replay(db, choice)
        assert expected == await message_ids(db, "outbox")
    assert len(expected) == await dead_letters_discard(db, choice)
    assert set(letters) - expected == await message_ids(db, "dead_letters")


async def test_ids_narrow_the_choice(db: AsyncConnection, letters: list[MessageId]) -> None:
    """Ids, class and code given together must all match; an unknown id matches nothing."""
    choice = Choice([letters[0], letters[1], new_message_id()], "KeyError", "one")
    assert 1 == await dead_letters_count(db, choice)
    assert 1 == await dead_letters_replay(db, choice)
    assert {letters[0]} == await message_ids(db, "outbox")


async def test_list_is_latest_first_and_bounded(
    db: AsyncConnection, letters: list[MessageId]
) -> None:
    """The list begins with the latest death and ends at its limit."""
    cursor = await db.execute(
        "SELECT message_id FROM dead_letters ORDER BY dead_at DESC, message_id DESC LIMIT 3"
    )
    expected = [each for (each,) in await cursor.fetchall()]
    found = await dead_letters_list(db, Choice(), 3)
    assert expected == [each.message_id for each in found]
    assert "two" == found[0].code


async def test_list_shows_impossible_times(db: AsyncConnection, killer: Mover) -> None:
    """A letter whose event claims a time outside the calendar, or whose link is gone, is shown."""
    await make_event(db, await make_link(db), at="infinity")
    await killer.move(db)
    await db.execute("DELETE FROM links")
    (letter,) = await dead_letters_list(db, Choice(), 10)
    assert ("infinity", None) == (letter.occurred_at, letter.code)
