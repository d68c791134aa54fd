"""What an account may be: its e-mail and its password. Pure."""

from __future__ import annotations

import re
from typing import Literal, NewType

from service.errors import Refused
from service.guessable import guessable

UserId = NewType("UserId", int)

Role = Literal["user", "admin"]

EMAIL_LIMIT = 254
"""RFC 5321, 4.5.3.1.3: a path of 256 octets, its angle brackets included."""

PASSWORD_LEAST = 8
PASSWORD_LIMIT = 1024
"""Characters; capped before hashing, so that a megabyte of password costs nothing."""

EMAIL_PATTERN = "[!-?A-~]+@[!-?A-~]+"
"""ASCII only: letters of other scripts that lower-case to ASCII (K, the Kelvin sign) would let two
spellings be one account."""

WITHOUT_NUL = r"[^\x00]*"

_EMAIL = re.compile(EMAIL_PATTERN)
_UNFIT = re.compile(r"[\x00\ud800-\udfff]")


def email(text: str) -> str:
    """Return the address in lower case, which is how it is kept. Raises Refused: bad_email."""
    if len(text) > EMAIL_LIMIT or not _EMAIL.fullmatch(text):
        raise Refused("bad_email", "Write an e-mail address such as ada@example.com.")
    return text.lower()


def password(text: str) -> str:
    """Return the password as it is. Raises Refused: too_short, too_long, bad_character."""
    if len(text) < PASSWORD_LEAST:
        raise Refused("too_short", f"Use at least {PASSWORD_LEAST} characters.")
    if len(text) > PASSWORD_LIMIT:
        raise Refused("too_long", f"Use at most {PASSWORD_LIMIT} characters.")
    if _UNFIT.search(text):
        raise Refused("bad_character", "Remove invalid characters.")
    return text


def new_password(text: str, address: str) -> str:
    """Return a password that an account may be given. Raises Refused as `password`, and guessable.

    Not asked of a password that somebody logs in with: it may be older than the rule.
    """
    if guessable(password(text), address):
        raise Refused("guessable", "This password is too easy to guess. Choose another one.")
    return text
