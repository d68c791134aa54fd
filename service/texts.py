"""Text that people give things, on one line. Pure."""

from __future__ import annotations

import re

from service.errors import Refused

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

SPACES = r"\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What str.strip removes, inside of the brackets of a regular expression."""

_CONTROLS = r"\x00-\x1f\x7f-\x9f"


def line(text: str, limit: int) -> str:
    """Return the text without outer spaces. Raises Refused: too_long, bad_character."""
    text = text.strip()
    if len(text) > limit:
        raise Refused("too_long", f"Use at most {limit} characters.")
    if _CONTROL.search(text):
        raise Refused("bad_character", "Remove the control characters.")
    return text


def line_pattern(limit: int, *, blank: bool) -> str:
    """Return a pattern, for JSON Schema, of what `line` accepts; `blank`: also nothing but spaces."""
    fit, edge = f"[^{_CONTROLS}]", f"[^{_CONTROLS}{SPACES}]"
    text = f"({edge}({fit}{{0,{limit - 2}}}{edge})?)"
    return f"^[{SPACES}]*{text}{'?' if blank else ''}[{SPACES}]*$"
