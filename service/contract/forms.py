"""The forms that an entry of the log is written in: JSON, or for a person's eyes."""
# ruff: noqa: PLC0415

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

Form = Literal["auto", "json", "console"]

Entry = dict[str, Any]
"""What is told, by name. `event` says what happened, `exc_info`, if any, is the error's triple."""

Write = Callable[[Entry], str]
"""Returns the entry as text, without the last line's end. Takes `exc_info` out of the entry."""


def writing(form: Form) -> Write:
    """Return what writes in this form; auto: for a person on a terminal, as JSON elsewhere.

    What is for a person is loaded where there is one: colours are a tenth of a start.
    """
    if form == "json" or (form == "auto" and not sys.stderr.isatty()):
        return _json
    from structlog.dev import ConsoleRenderer

    console = ConsoleRenderer()
    return lambda entry: console(None, "", entry)


def entry(event: str, level: str, told: Entry) -> Entry:
    """Return the entry of what happened now."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {**told, "event": event, "timestamp": now, "level": level}


def _json(told: Entry) -> str:
    error = told.pop("exc_info", None)
    if error is not None:
        told["exception"] = "".join(traceback.format_exception(*error)).rstrip("\n")
    return json.dumps(told, default=repr)
