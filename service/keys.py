"""An API key: what it looks like, what it may be for, what it may be called. Pure."""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import urlsafe_b64encode
from typing import Literal, NewType, get_args

from service import texts
from service.errors import Refused

KeyId = NewType("KeyId", int)

Scope = Literal["links:read", "links:write", "stats:read"]
"""What an API key can be made for."""

SCOPES: tuple[Scope, ...] = get_args(Scope)

SECRET_BYTES = 32

ACTIVE_LIMIT = 100
"""Keys that an account may have at once, the expired and revoked ones not counted."""

NAME_LIMIT = 100

_KEY = re.compile(r"(?P<secret>ec_[A-Za-z0-9_-]{43})(?P<check>[A-Za-z0-9_-]{6})")


def written(secret: bytes) -> str:
    """Return the key of SECRET_BYTES random bytes: `ec_`, 43 characters of them, 6 that check."""
    text = f"ec_{_url_safe(secret)}"
    return f"{text}{_check(text)}"


def is_written(text: str) -> bool:
    """Whether somebody was once given such a key, as far as its checksum tells."""
    match = _KEY.fullmatch(text)
    return match is not None and match["check"] == _check(match["secret"])


def digest(key: str) -> bytes:
    """Return what is kept of a key: of 256 random bits a plain hash gives nothing away."""
    return hashlib.sha256(key.encode()).digest()


def name(text: str) -> str:
    """Return a key's name without outer spaces. Raises Refused: too_short, too_long, bad_character."""
    text = texts.line(text, NAME_LIMIT)
    if not text:
        raise Refused("too_short", "Name the key after the program that will use it.")
    return text


def scope(text: str) -> Scope:
    """Return the scope of this name. Raises Refused: bad_value."""
    for each in SCOPES:
        if each == text:
            return each
    raise Refused("bad_value", f"Use {', '.join(SCOPES)}.")


def scopes(given: list[Scope]) -> list[Scope]:
    """Return the scopes in their order, each once. Raises Refused: too_short."""
    if not given:
        raise Refused("too_short", f"Give at least one of {', '.join(SCOPES)}.")
    return [scope for scope in SCOPES if scope in given]


def _check(text: str) -> str:
    # A typing error or a token of another kind is found without asking the database; and whoever
    # scans text for lost secrets has no false alarms.
    return _url_safe(zlib.crc32(text.encode()).to_bytes(4, "big"))


def _url_safe(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
