"""service/contract/forms.py."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import pytest

from service.contract.forms import entry, writing


def test_an_entry_says_what_and_when() -> None:
    """Whatever is told comes first, then what happened, when in UTC, and how severe it is."""
    made = entry("batch_moved", "info", {"process": "relay", "moved": 7})
    assert ["process", "moved", "event", "timestamp", "level"] == list(made)
    assert made["timestamp"].endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(made["timestamp"])).total_seconds()) < 60


def test_json_takes_everything() -> None:
    """What JSON has no word for is told by its repr; an error by its trace, as text."""
    try:
        raise LookupError("gone")
    except LookupError as error:
        triple = (type(error), error, error.__traceback__)
    told = json.loads(writing("json")({"what": {1}, "exc_info": triple}))
    assert {"what", "exception"} == set(told)
    assert "{1}" == told["what"]
    assert told["exception"].startswith("Traceback (most recent call last):\n")
    assert told["exception"].endswith("\nLookupError: gone")


@pytest.mark.parametrize("terminal", [True, False])
def test_auto_looks_for_a_person(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> None:
    """On a terminal a line is for a person's eyes, elsewhere for a program's."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    line = writing("auto")(entry("listening", "info", {"process": "service"}))
    assert terminal == (not line.startswith("{"))
    assert "listening" in line
    assert "\n" not in line
