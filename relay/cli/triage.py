"""dead-letters replay, discard and log: what is done to dead letters, and the record of it."""

from __future__ import annotations

import json
import os
import pwd
from dataclasses import asdict
from time import monotonic
from typing import Annotated

import typer
from psycopg import AsyncConnection

from relay.cli import lines
from relay.cli.choice import All, Canary, Code, ErrorClass, Fingerprint, MessageIds, explicit
from relay.cli.session import with_connection
from relay.store.dead_letter_actions import (
    Order,
    Recorded,
    dead_letter_action_events,
    dead_letter_actions_list,
)
from relay.store.dead_letters import Group, Rehearsal, dead_letters_groups, dead_letters_rehearse
from relay.throttle import Throttle
from relay.triage import Progress, act
from service.contract.process import FAILED, OK, say

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]

TELL = 1.0
"""Seconds between two lines of progress."""

DONE = {"replay": "events are back in the outbox", "discard": "dead letters were discarded"}


def replay(
    message_ids: MessageIds = None,
    *,
    every: All = False,
    error: ErrorClass = None,
    fingerprint: Fingerprint = None,
    code: Code = None,
    canary: Canary = None,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="At most so many events per second.")
    ] = None,
    dry_run: DryRun = False,
) -> int:
    """Put events back into the outbox as they came; replaying twice changes nothing."""
    choice = explicit(message_ids, error, fingerprint, code, every=every)
    order = Order("replay", choice, _os_user(), most=canary)
    if dry_run:
        return _rehearse(order)
    done = _do(order, rate)
    if canary is not None and done.action_id is not None:
        say(f"Where they are now: python -m relay dead-letters log {done.action_id}")
    return OK


def discard(
    message_ids: MessageIds = None,
    *,
    every: All = False,
    error: ErrorClass = None,
    fingerprint: Fingerprint = None,
    code: Code = None,
    canary: Canary = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the log.")] = None,
    dry_run: DryRun = False,
) -> int:
    """Delete dead letters for good: their clicks will never be counted."""
    choice = explicit(message_ids, error, fingerprint, code, every=every)
    reason = (reason or "").strip()
    if not reason and not dry_run:
        raise typer.BadParameter("say why: --reason TEXT is kept in the log")
    order = Order("discard", choice, _os_user(), reason, canary)
    if dry_run:
        return _rehearse(order)
    _do(order, None)
    return OK


def log(
    action_id: Annotated[
        int | None, typer.Argument(help="The letters of this action, and where they are now.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many actions.")] = 100,
    as_json: Json = False,
) -> int:
    """Show what was done to dead letters, by whom and why, latest first; or one action whole."""

    async def work(connection: AsyncConnection) -> list[Recorded]:
        found = await dead_letter_actions_list(connection, limit, action_id)
        if action_id is None or not found:
            return found
        fates: dict[str, int] = {}
        async for taken in dead_letter_action_events(connection, action_id):
            print(json.dumps(asdict(taken), default=str) if as_json else lines.taken(taken))
            fates[taken.fate] = fates.get(taken.fate, 0) + 1
        say(f"{lines.action(found[0])}\nNow: {_counted(fates)}.")
        return found

    found = with_connection(work)
    if action_id is not None and not found:
        say(f"No action has the number {action_id}.")
        return FAILED
    if action_id is None:
        for action in found:
            print(_json(action) if as_json else lines.action(action))
        if not found:
            say("Nothing was done to dead letters yet.")
    return OK


def _do(order: Order, rate: float | None) -> Progress:
    """Carry the order out, with a line of progress now and then; whatever ends it is told."""
    done = Progress()
    told = monotonic()

    def tell(progress: Progress) -> None:
        nonlocal done, told
        done = progress
        if monotonic() - told >= TELL:
            told = monotonic()
            say(f"{done.events} of {done.planned} …")

    async def work(connection: AsyncConnection) -> Progress:
        return await act(connection, order, Throttle(rate, monotonic), tell)

    try:
        done = with_connection(work)
    except BaseException:
        if done.planned:
            say(
                f"Stopped: at least {done.events} of {done.planned} {DONE[order.action]}, the rest "
                f"is as it was. See: python -m relay dead-letters log {done.action_id}; the same "
                "command again does the rest."
            )
        raise
    say(f"{done.events} {DONE[order.action]}.")
    return done


def _rehearse(order: Order) -> int:
    """Say what the order would do; nothing is changed, and nothing goes on record."""

    async def work(connection: AsyncConnection) -> tuple[Rehearsal, list[Group]]:
        return (
            await dead_letters_rehearse(connection, order.choice, order.most),
            await dead_letters_groups(connection, order.choice, order.most),
        )

    found, groups = with_connection(work)
    for group in groups:
        print(lines.group(group))
    verb = {"replay": "replayed", "discard": "discarded"}[order.action]
    say(f"{found.events} dead letters would be {verb}: {found.groups} groups, {found.links} links.")
    if order.action == "replay" and found.orphans:
        say(f"{found.orphans} of them would vanish: their link is deleted.")
    if order.action == "replay" and found.counted:
        say(f"{found.counted} of them are counted already and would add nothing.")
    return OK


def _os_user() -> str | None:
    # As `id -un` in ops/triage tells it: not what LOGNAME claims.
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None


def _counted(fates: dict[str, int]) -> str:
    return ", ".join(f"{number} {fate}" for fate, number in sorted(fates.items())) or "nothing"


def _json(action: Recorded) -> str:
    return json.dumps({**asdict(action), "choice": json.loads(action.choice)}, default=str)
