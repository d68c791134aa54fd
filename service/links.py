"""What a link may be: its code, its title and its end. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast, get_args

from service import texts
from service.contract.events import RedirectCode
from service.errors import Refused

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
"""Characters of generated codes: none that is mistaken for another (0 O o, 1 l I i)."""

CODE_LENGTH = 7
"""55^7 is 1.5e12 codes: with ten million links, one new code in 150,000 is drawn a second time."""

TITLE_LIMIT = 200

_ROUTED = {"api", "stats", "healthz", "readyz", "metrics"}
_ACCOUNTS = {"login", "logout", "signup", "setup", "dashboard", "links", "bulk", "admin"}
_FILES = {"static", "docs", "assets", "well-known", "robots", "favicon", "sitemap"}

RESERVED = frozenset(_ROUTED | _ACCOUNTS | _FILES)
"""Names no link may have, in any case: what the router uses, and what is kept free for later."""

CODE_PATTERN = "[A-Za-z0-9_-]{1,64}"

_CODE = re.compile(CODE_PATTERN)
# RFC 3339, 5.6; fromisoformat alone also takes week dates and dates without a time.
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def is_code(text: str) -> bool:
    """Whether a link could have this code; everything else is unknown without asking anyone."""
    return _CODE.fullmatch(text) is not None


def is_reserved(code: str) -> bool:
    """Whether the code is a reserved name, in any case."""
    return code.lower() in RESERVED


def new_code(choice: Callable[[str], str] = secrets.choice) -> str:
    """Return a random code that is not reserved; whether it is free, only the database knows."""
    while True:
        code = "".join(choice(ALPHABET) for _ in range(CODE_LENGTH))
        if not is_reserved(code):
            return code


def wanted_code(text: str) -> str:
    """Return the code somebody asks for. Raises Refused: bad_code, reserved_code."""
    if not is_code(text):
        raise Refused("bad_code", "Use 1 to 64 of the characters A-Z a-z 0-9 _ and -.")
    if is_reserved(text):
        raise Refused("reserved_code", "This name is reserved; choose another code.")
    return text


def is_safe_location(text: str) -> bool:
    """Whether a stored target may become a header: printable ASCII without spaces, nothing else."""
    return text.isascii() and text.isprintable() and " " not in text and text != ""


def redirect_code(number: int) -> RedirectCode:
    """Return the number. Raises Refused: bad_redirect_code."""
    for known in get_args(RedirectCode):
        if number == known:
            return cast("RedirectCode", known)
    raise Refused("bad_redirect_code", "Use 301, 302, 307 or 308.")


def title(text: str) -> str | None:
    """Return the title without outer spaces, None when blank.

    Raises Refused: too_long, bad_character.
    """
    return texts.line(text, TITLE_LIMIT) or None


def expiry(text: str, now: datetime) -> datetime:
    """Return the instant a link expires, in UTC.

    Raises Refused: bad_time, no_time_zone, in_the_past.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise Refused("bad_time", "Write a time such as 2030-01-31T12:00:00Z.")
    if match["zone"] is None:
        raise Refused("no_time_zone", "Add a time zone: Z for UTC, or an offset such as +02:00.")
    try:
        instant = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused("bad_time", "There is no such time between the years 1 and 9999.") from error
    if instant <= now:
        raise Refused("in_the_past", "Choose a time in the future.")
    return instant
