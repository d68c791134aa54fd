"""Text that people give things, on one line. Pure."""

from __future__ import annotations

import re

from service.errors import Refused

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def line(text: str, limit: int) -> str:
    """Return the text without outer spaces. Raises Refused: too_long, bad_character."""
    text = text.strip()
    if len(text) > limit:
        raise Refused("too_long", f"Use at most {limit} characters.")
    if _CONTROL.search(text):
        raise Refused("bad_character", "Remove the control characters.")
    return text
