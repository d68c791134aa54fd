"""dead-letters: list, show, replay, discard."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer
from psycopg import AsyncConnection

from relay.cli.session import with_connection
from relay.store.dead_letters import (
    Choice,
    DeadLetter,
    dead_letters_count,
    dead_letters_discard,
    dead_letters_list,
    dead_letters_replay,
)
from service.contract.events import MessageId
from service.contract.process import FAILED, OK, say

app = typer.Typer(help="Events that failed past the cap: look, replay, discard.")

MessageIds = Annotated[list[UUID] | None, typer.Argument(help="Message ids of dead letters.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter.")]
ErrorClass = Annotated[str | None, typer.Option("--error", help="Only this error class.")]
Code = Annotated[str | None, typer.Option("--code", help="Only events of this link.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many there are.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


@app.command("list")
def list_(
    error: ErrorClass = None,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Json = False,
) -> int:
    """List dead letters, latest first."""

    async def work(connection: AsyncConnection) -> list[DeadLetter]:
        return await dead_letters_list(connection, Choice(None, error, code), limit)

    letters = with_connection(work)
    for letter in letters:
        print(_json(letter) if as_json else _line(letter))
    if not letters:
        say("No dead letter matches.")
    return OK


@app.command()
def show(message_id: Annotated[UUID, typer.Argument(help="The dead letter's message id.")]) -> int:
    """Show one dead letter whole."""

    async def work(connection: AsyncConnection) -> list[DeadLetter]:
        return await dead_letters_list(connection, Choice([MessageId(message_id)]), 1)

    letters = with_connection(work)
    if not letters:
        say(f"No dead letter has the message id {message_id}.")
        return FAILED
    for name, value in asdict(letters[0]).items():
        print(f"{name:<16}{'-' if value is None else value}")
    return OK


@app.command()
def replay(
    message_ids: MessageIds = None,
    every: All = False,
    error: ErrorClass = None,
    code: Code = None,
    dry_run: DryRun = False,
) -> int:
    """Put events back into the outbox as they came; replaying twice changes nothing."""
    choice = _choice(message_ids, error, code, every=every)
    if dry_run:
        return _dry_run(choice, "replayed")
    count = _apply(dead_letters_replay, choice)
    say(f"{count} events are back in the outbox.")
    return OK


@app.command()
def discard(
    message_ids: MessageIds = None,
    every: All = False,
    error: ErrorClass = None,
    code: Code = None,
    dry_run: DryRun = False,
) -> int:
    """Delete dead letters for good: their clicks will never be counted."""
    choice = _choice(message_ids, error, code, every=every)
    if dry_run:
        return _dry_run(choice, "discarded")
    count = _apply(dead_letters_discard, choice)
    say(f"{count} dead letters were discarded.")
    return OK


def _choice(
    message_ids: list[UUID] | None, error: str | None, code: str | None, *, every: bool
) -> Choice:
    chosen = bool(message_ids) or error is not None or code is not None
    if every == chosen:
        raise typer.BadParameter("say which: message ids, --error or --code; or --all for all")
    return Choice([MessageId(each) for each in message_ids] if message_ids else None, error, code)


def _apply(action: Callable[[AsyncConnection, Choice], Awaitable[int]], choice: Choice) -> int:
    async def work(connection: AsyncConnection) -> int:
        return await action(connection, choice)

    return with_connection(work)


def _dry_run(choice: Choice, verb: str) -> int:
    say(f"{_apply(dead_letters_count, choice)} dead letters would be {verb}.")
    return OK


def _line(letter: DeadLetter) -> str:
    return (
        f"{letter.message_id}  {letter.dead_at:%Y-%m-%dT%H:%M:%SZ}  {letter.code or '-':<12}  "
        f"{letter.attempts} attempts  {letter.error_class}: {letter.error_message}"
    )


def _json(letter: DeadLetter) -> str:
    return json.dumps({**asdict(letter), "event": json.loads(letter.event)}, default=str)
