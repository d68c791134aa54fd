"""Which dead letters a command means: the options that say so, the same ones everywhere."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from relay.store.dead_letters import Choice
from service.contract.events import MessageId

MessageIds = Annotated[list[UUID] | None, typer.Argument(help="Message ids of dead letters.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter.")]
ErrorClass = Annotated[str | None, typer.Option("--error", help="Only this error class.")]
Fingerprint = Annotated[str | None, typer.Option(help="Only this group.")]
Code = Annotated[str | None, typer.Option("--code", help="Only events of this link.")]
Canary = Annotated[
    int | None,
    typer.Option("--canary", "--limit", min=1, help="Only so many, the oldest; then look."),
]


def narrowed(error: str | None, fingerprint: str | None, code: str | None) -> Choice:
    """Return the choice these options make; without any, every letter."""
    return Choice(None, error, code, fingerprint)


def explicit(
    message_ids: list[UUID] | None,
    error: str | None,
    fingerprint: str | None,
    code: str | None,
    *,
    every: bool,
) -> Choice:
    """Return the choice these options make. Raises BadParameter when they make none, or two that
    contradict: what changes things must be told which.
    """
    given = (error, fingerprint, code)
    if "" in given:
        raise typer.BadParameter("an empty --error, --fingerprint or --code matches nothing")
    if every == (bool(message_ids) or any(each is not None for each in given)):
        raise typer.BadParameter(
            "say which: message ids, --error, --fingerprint or --code; or --all for all"
        )
    ids = [MessageId(each) for each in message_ids] if message_ids else None
    return Choice(ids, error, code, fingerprint)
