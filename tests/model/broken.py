"""The product, deliberately broken: what a change in a hurry might make of it."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import psycopg
import pytest

import relay.store.clicks
import service.contract.outbox
from service.contract.events import MessageId, new_message_id
from service.contract.outbox import Visit

Break = Callable[[pytest.MonkeyPatch, psycopg.Connection], None]
"""Breaks the code for as long as the monkeypatch lasts, or the database whose connection is given."""

SORTED = "SELECT link_id, hour, clicks FROM hour ORDER BY link_id, hour"

# Left without an order, rows come as the plan happens to yield them; this is the worst it may do.
AS_THEY_CAME = (
    "SELECT link_id, hour, clicks FROM hour ORDER BY"
    " (SELECT min(message_id::text) FROM click WHERE click.link_id = hour.link_id)"
)

SORTED_EACH = "    ORDER BY 1, 2\n"

AS_THEY_CAME_EACH = "    ORDER BY min(message_id::text)\n"


def statement(patch: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    """Change a piece of one of the relay's statements."""
    statements = relay.store.clicks._SQL
    assert 1 == statements[name].count(old)
    changed = {**statements, name: statements[name].replace(old, new)}
    patch.setattr(relay.store.clicks, "_SQL", MappingProxyType(changed))


def rollup_of_the_batch(patch: pytest.MonkeyPatch, _: psycopg.Connection) -> None:
    """The rollup is counted from the batch instead of from what the insert returned."""
    statement(patch, "clicks_move", "FROM click\n    GROUP BY", "FROM live\n    GROUP BY")


def unsorted(patch: pytest.MonkeyPatch, _: psycopg.Connection) -> None:
    """A batch takes the rollups' rows in the order its events came."""
    statement(patch, "clicks_move", SORTED, AS_THEY_CAME)


def unsorted_each(_: pytest.MonkeyPatch, connection: psycopg.Connection) -> None:
    """The same where events are moved one by one."""
    row = connection.execute(
        "SELECT pg_get_functiondef('clicks_move_each(uuid[])'::regprocedure)"
    ).fetchone()
    assert row is not None
    assert 1 == row[0].count(SORTED_EACH)
    changed = row[0].replace(SORTED_EACH, AS_THEY_CAME_EACH)
    connection.execute(changed)


def new_id_per_try(patch: pytest.MonkeyPatch, _: psycopg.Connection) -> None:
    """A click that is recorded again gets another id."""
    tried: set[MessageId] = set()
    told = service.contract.outbox._told

    def anew(visit: Visit) -> dict[str, object]:
        click = visit.click
        if click is not None and click.message_id in tried:
            return told(Visit(visit.code, click._replace(message_id=new_message_id())))
        if click is not None:
            tried.add(click.message_id)
        return told(visit)

    patch.setattr(service.contract.outbox, "_told", anew)
