"""A line of text for each thing the dead-letters commands show."""

from __future__ import annotations

from datetime import UTC, datetime

from relay.store.dead_letter_actions import Recorded, Taken
from relay.store.dead_letters import DeadLetter, Group


def letter(shown: DeadLetter) -> str:
    """Return a dead letter's line."""
    return (
        f"{shown.message_id}  {_time(shown.dead_at)}  {shown.code or '-':<12}  "
        f"{shown.fingerprint}  {shown.attempts} attempts  "
        f"{error(shown.error_class, shown.error_message)}"
    )


def group(shown: Group) -> str:
    """Return a group's line: how many of how many links, from when to when, an example."""
    return (
        f"{shown.fingerprint}  {shown.events:>7} events  {shown.links:>5} links  "
        f"{_time(shown.first_failed_at)} to {_time(shown.last_dead_at)}  "
        f"{error(shown.error_class, shown.example)}"
    )


def action(shown: Recorded) -> str:
    """Return an action's line: what was done to how many of how many, by whom, which and why."""
    return (
        f"{shown.id:<5} {_time(shown.at)}  {shown.action:<7}  {shown.events} of {shown.planned}  "
        f"{shown.role}/{shown.os_user or '-'}  {plain(shown.choice)}"
        f"{f'  {plain(shown.reason)}' if shown.reason else ''}"
    )


def taken(shown: Taken) -> str:
    """Return the line of a letter that an action took."""
    return (
        f"{shown.message_id}  {shown.occurred_at}  link {shown.link_id}  {shown.fate:<7}  "
        f"{shown.fingerprint}  {error(shown.error_class, shown.error_message)}"
    )


def error(error_class: str, message: str) -> str:
    """Return an error in one line."""
    return plain(f"{error_class}: {message}")


def plain(text: str) -> str:
    """Return text in one line, what a terminal might obey escaped: errors quote strangers."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in " ".join(text.split())
    )


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
