"""Waiting for something to become true: a deadline instead of a sleep for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK = 0.02
"""Seconds between two looks."""


def until(look: Callable[[], T], what: str, within: float = 30.0) -> T:
    """Return the first true value of `look`; fail, saying `what` did not happen, after `within`."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what} (last seen: {seen!r})")
        time.sleep(LOOK)
    return seen
