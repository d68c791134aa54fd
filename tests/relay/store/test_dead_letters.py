"""The two ways out of dead_letters, and the choice of which take them."""

from __future__ import annotations

from dataclasses import asdict, astuple
from time import perf_counter
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from relay.events import PendingEvent
from relay.mover import Mover
from relay.store.dead_letter_actions import Order
from relay.store.dead_letters import (
    BEFORE_ALL,
    Choice,
    Span,
    dead_letters_groups,
    dead_letters_list,
    dead_letters_rehearse,
)
from relay.throttle import Throttle
from relay.triage import act
from service.contract import statements
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
from tests.support.plans import scanned

KEY_ERROR = "c62b0608452e"
"""The fingerprint of a KeyError that says 'drill', in quotes as its text has it."""


async def replay(db: AsyncConnection, choice: Choice) -> int:
    """Replay the chosen letters; return how many."""
    order = Order("replay", choice)
    return (await act(db, order, Throttle(None, lambda: 0.0), lambda _: None)).events


async def discard(db: AsyncConnection, choice: Choice) -> int:
    """Discard the chosen letters; return how many."""
    order = Order("discard", choice, reason="drill")
    return (await act(db, order, Throttle(None, lambda: 0.0), lambda _: None)).events


async def dead(db: AsyncConnection, *errors: tuple[str, str]) -> list[MessageId]:
    """Make a letter of each error, oldest first, each of a link of its own that nobody made."""
    made = [new_message_id() for _ in errors]
    for number, (message_id, error) in enumerate(zip(made, errors, strict=True)):
        await db.execute(
            "INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts,"
            " error_class, error_message, first_failed_at)"
            " VALUES (%s, %s, now(), '{}', 5, %s, %s, now())",
            [message_id, 900 + number, *error],
        )
    return made


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
    assert 2 == await replay(db, Choice())
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
    assert 3 == await replay(db, choice)
    assert 0 == await replay(db, choice)
    assert set(sent) == await message_ids(db, "outbox")
    await mover.move(db)
    assert 0 == await replay(db, choice)
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
    assert 1 == await replay(db, Choice([sent]))
    await mover.move(db)
    assert (1, 0) == (await count(db, "clicks"), await count(db, "outbox"))
    assert await rollups_equal_clicks(db)


async def test_replay_of_an_event_that_waits_already(db: AsyncConnection, killer: Mover) -> None:
    """A letter whose event is in the outbox again leaves; the one in the outbox stays one."""
    link = await make_link(db)
    (sent,) = await make_events(db, link, 1)
    await killer.move(db)
    await make_event(db, link, message_id=sent)
    assert 1 == await replay(db, Choice([sent]))
    assert ({sent}, 0) == (await message_ids(db, "outbox"), await count(db, "dead_letters"))


async def test_a_replayed_event_may_die_again(db: AsyncConnection, killer: Mover) -> None:
    """When the cause is not mended the event becomes a dead letter again, as whole as before."""
    sent = await make_event(db, await make_link(db), user_agent="Agent")
    await killer.move(db)
    before = await (await db.execute("SELECT event, attempts FROM dead_letters")).fetchall()
    await replay(db, Choice())
    await killer.move(db)
    assert {sent} == await message_ids(db, "dead_letters")
    assert before == await (await db.execute("SELECT event, attempts FROM dead_letters")).fetchall()


async def test_discard_is_for_good(db: AsyncConnection, killer: Mover) -> None:
    """Discarded letters are in no table any more; others stay."""
    sent = await make_events(db, await make_link(db), 3)
    await killer.move(db)
    assert 2 == await discard(db, Choice(sent[:2]))
    assert {sent[2]} == await message_ids(db, "dead_letters")
    assert (0, 0) == (await count(db, "outbox"), await count(db, "clicks"))
    assert 0 == await discard(db, Choice(sent[:2]))


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
    "error_class, code, fingerprint, chosen",
    [
        (None, None, None, {0, 1, 2, 3}),
        ("KeyError", None, None, {0, 2}),
        (None, "two", None, {2, 3}),
        (None, None, KEY_ERROR, {0, 2}),
        (None, "two", KEY_ERROR, {2}),
        ("ValueError", "one", None, {1}),
        ("ValueError", None, KEY_ERROR, set()),
        ("Keyerror", None, None, set()),
        (None, "no-such-code", None, set()),
        (None, None, "no-such-group", set()),
    ],
)
async def test_the_same_choice_for_all(
    db: AsyncConnection,
    letters: list[MessageId],
    error_class: str | None,
    code: str | None,
    fingerprint: str | None,
    chosen: set[int],
) -> None:
    """Rehearse, group, list, replay and discard mean the same letters by the same choice."""
    choice = Choice(None, error_class, code, fingerprint)
    expected = {letters[n] for n in chosen}
    assert len(expected) == (await dead_letters_rehearse(db, choice)).events
    assert expected == {each.message_id for each in await dead_letters_list(db, choice, 100)}
    assert len(expected) == sum(each.events for each in await dead_letters_groups(db, choice))
    async with db.transaction(force_rollback=True):
        assert len(expected) == await replay(db, choice)
        assert expected == await message_ids(db, "outbox")
    assert len(expected) == await discard(db, choice)
    assert set(letters) - expected == await message_ids(db, "dead_letters")


async def test_ids_narrow_the_choice(db: AsyncConnection, letters: list[MessageId]) -> None:
    """Ids, class and code given together must all match; an unknown id matches nothing."""
    choice = Choice([letters[0], letters[1], new_message_id()], "KeyError", "one")
    assert 1 == (await dead_letters_rehearse(db, choice)).events
    assert 1 == await replay(db, choice)
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


async def test_groups_are_causes(db: AsyncConnection) -> None:
    """Letters of one cause are one group, most first; the example is what the oldest of them says."""
    ids = await dead(
        db, ("KeyError", "no link 7"), ("KeyError", "no user 1"), ("KeyError", "no link 8")
    )
    groups = await dead_letters_groups(db, Choice())
    assert [(2, 2, ids[0], "no link 7"), (1, 1, ids[1], "no user 1")] == [
        (each.events, each.links, each.example_id, each.example) for each in groups
    ]
    (group,) = await dead_letters_groups(db, Choice(), most=1)
    assert (1, ids[0]) == (group.events, group.example_id)
    (group,) = await dead_letters_groups(db, Choice(fingerprint=groups[0].fingerprint))
    assert 2 == group.events


async def test_a_rehearsal_says_what_comes_of_it(db: AsyncConnection) -> None:
    """How many letters, groups and links; what would vanish, what is counted already; no change."""
    ids = await dead(db, ("KeyError", "a"), ("KeyError", "a"), ("KeyError", "b"), ("OSError", "c"))
    link = await make_link(db)
    await db.execute(
        "UPDATE dead_letters SET link_id = %s WHERE message_id = ANY(%s)", [link, ids[:3]]
    )
    await db.execute(
        "INSERT INTO clicks (message_id, link_id, occurred_at) VALUES (%s, %s, now())",
        [ids[1], link],
    )
    found = await dead_letters_rehearse(db, Choice())
    assert (4, 3, 2, 1, 1) == astuple(found)
    assert (1, 1, 1, 0, 0) == astuple(await dead_letters_rehearse(db, Choice(), most=1))
    assert set(ids) == await message_ids(db, "dead_letters")
    assert 0 == await count(db, "dead_letter_actions")


@pytest.fixture
async def many(db: AsyncConnection) -> None:
    """100,000 letters of 50 causes and 1,000 links, with values in their messages; no statistics."""
    await db.execute(
        "INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts,"
        " error_class, error_message, first_failed_at)"
        " SELECT lpad(to_hex(n), 32, '0')::uuid, n %% 1000, now(), '{}', 5, 'KeyError',"
        " format('no %%s in \"%%s\"', chr(65 + n %% 50 / 26) || chr(65 + n %% 50 %% 26), n), now()"
        " FROM generate_series(1, %s) AS n",
        [100_000],
    )


@pytest.mark.slow
async def test_many_letters(db: AsyncConnection, many: None) -> None:
    """Grouping 100,000 takes less than two seconds, so does a rehearsal; a batch reads no whole
    table, whatever the choice, though nobody has analysed it.
    """
    started = perf_counter()
    groups = await dead_letters_groups(db, Choice())
    grouped = perf_counter()
    assert [2000] * 50 == [each.events for each in groups]
    chosen = Choice(fingerprint=groups[0].fingerprint)
    assert 2000 == (await dead_letters_rehearse(db, chosen)).events
    rehearsed = perf_counter()
    assert 100_000 == (await dead_letters_rehearse(db, Choice())).events
    print(f"measured: groups {grouped - started:.3f} s, rehearsal {rehearsed - grouped:.3f} s,"
          f" of all {perf_counter() - rehearsed:.3f} s")  # fmt: skip
    assert grouped - started < 2
    assert perf_counter() - grouped < 4
    for choice in (Choice(), chosen, Choice(error_class="KeyError")):
        for name in ("dead_letters_replay", "dead_letters_discard"):
            parameters = {
                **choice.parameters(),
                **asdict(Span(1, BEFORE_ALL, MessageId(UUID(int=100_000)), 1000)),
            }
            found = await scanned(db, statements.load("relay")[name], parameters)
            assert "dead_letters" not in found, (name, choice)
