"""dead-letters: groups, list, show and the log look; replay and discard act."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer
from psycopg import AsyncConnection

from relay.cli import lines, triage
from relay.cli.choice import Code, ErrorClass, Fingerprint, narrowed
from relay.cli.session import with_connection
from relay.store.dead_letters import (
    Choice,
    DeadLetter,
    Group,
    dead_letters_groups,
    dead_letters_list,
)
from service.contract.events import MessageId
from service.contract.process import FAILED, OK, say

app = typer.Typer(help="Events that failed past the cap: look, replay, discard.")
app.command()(triage.replay)
app.command()(triage.discard)
app.command()(triage.log)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


@app.command()
def groups(
    error: ErrorClass = None,
    fingerprint: Fingerprint = None,
    code: Code = None,
    as_json: Json = False,
) -> int:
    """Show dead letters by cause, the largest group first, with an example of each."""

    async def work(connection: AsyncConnection) -> list[Group]:
        return await dead_letters_groups(connection, narrowed(error, fingerprint, code))

    found = with_connection(work)
    for group in found:
        print(json.dumps(asdict(group), default=str) if as_json else lines.group(group))
    if not found:
        say("No dead letter matches.")
    return OK


@app.command("list")
def list_(
    error: ErrorClass = None,
    fingerprint: Fingerprint = None,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Json = False,
) -> int:
    """List dead letters, latest first."""

    async def work(connection: AsyncConnection) -> list[DeadLetter]:
        return await dead_letters_list(connection, narrowed(error, fingerprint, code), limit)

    letters = with_connection(work)
    for letter in letters:
        print(_json(letter) if as_json else lines.letter(letter))
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


def _json(letter: DeadLetter) -> str:
    return json.dumps({**asdict(letter), "event": json.loads(letter.event)}, default=str)
