"""The two formats of a log line: JSON, and one for people."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["auto", "json", "console"]

Entry = dict[str, Any]
"""Fields by name. `event` says what happened, `exc_info`, if any, is the error's triple."""

Render = Callable[[Entry], str]
"""Returns the entry as text, without the newline at its end."""

_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31"}
"""SGR parameters: dim, green, yellow, red."""

_PLAIN = re.compile(r"[!-~¡-\ud7ff\ue000-\U0010ffff]+")
"""A value that needs no quotes: no space, no control character, no lone surrogate."""


def entry(event: str, level: str, process: str, pid: int, told: Entry) -> Entry:
    """Return the entry of what happened now."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    common = {"timestamp": now, "level": level, "event": event, "process": process, "pid": pid}
    return {**common, **told}


def as_json(told: Entry) -> str:
    """Return one line of ASCII."""
    trace = _trace(told)
    fields = {name: value for name, value in told.items() if name != "exc_info"}
    return json.dumps({**fields, "exception": trace} if trace else fields, default=repr)


def for_people(told: Entry, *, colours: bool) -> str:
    """Return time, level, event and name=value; an error's trace follows on lines of its own."""
    fields = dict(told)
    clock, level, event = (str(fields.pop(name)) for name in ("timestamp", "level", "event"))
    head = f"{clock[11:23]} {level:<7} {event}"
    if colours:
        head = f"\x1b[{_COLOURS.get(level, '0')}m{head}\x1b[0m"
    fields.pop("exc_info", None)
    words = [head, *(f"{n}={_value(v)}" for n, v in fields.items() if v is not None)]
    return "\n".join([" ".join(words), *filter(None, [_trace(told)])])


def _value(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if _PLAIN.fullmatch(text) and '"' not in text else json.dumps(text)


def _trace(told: Entry) -> str:
    error = told.get("exc_info")
    return "".join(traceback.format_exception(*error)).rstrip("\n") if error else ""
