"""service/contract/log_format.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from service.contract.log_format import as_json, entry, for_people


def test_an_entry_says_what_and_when() -> None:
    """When in UTC, how severe, what happened and where come first, then the fields."""
    made = entry("batch_moved", "info", "relay", 7, {"moved": 9})
    assert ["timestamp", "level", "event", "process", "pid", "moved"] == list(made)
    assert made["timestamp"].endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(made["timestamp"])).total_seconds()) < 60


def failed() -> dict[str, object]:
    """An entry with an error's trace."""
    try:
        raise LookupError("gone")
    except LookupError as error:
        triple = (type(error), error, error.__traceback__)
    return entry("job_failed", "error", "relay", 7, {"what": {1}, "exc_info": triple})


def test_json_takes_everything() -> None:
    """What JSON has no type for is told by its repr; an error by its trace, as text."""
    told = json.loads(as_json(failed()))
    assert "{1}" == told["what"]
    assert "exc_info" not in told
    assert told["exception"].startswith("Traceback (most recent call last):\n")
    assert told["exception"].endswith("\nLookupError: gone")


def test_a_line_for_people() -> None:
    """Time, level, event, and name=value; a trace follows."""
    made = entry("batch_moved", "info", "relay", 7, {"moved": 9, "error": "it is full"})
    line = for_people(made, colours=False)
    assert (
        line
        == f'{made["timestamp"][11:23]} info    batch_moved process=relay pid=7 moved=9 error="it is full"'
    )
    first, *trace = for_people(failed(), colours=False).split("\n")
    assert first.endswith("what={1}")
    assert ["Traceback (most recent call last):", "LookupError: gone"] == [trace[0], trace[-1]]


def test_colours_are_for_terminals() -> None:
    """The level, and nothing else, decides the colour."""
    assert for_people(failed(), colours=True).startswith("\x1b[31m")
    assert "\x1b" not in for_people(failed(), colours=False)


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\udcff", 'a"b', "", "a b", "\x85"])
def test_values_stay_in_their_line(text: str) -> None:
    """Whatever a value holds, it neither ends the line nor moves the cursor."""
    line = for_people(entry("x", "info", "relay", 7, {"code": text}), colours=False)
    assert line.endswith(f"code={json.dumps(text)}")
    assert line.isprintable()
