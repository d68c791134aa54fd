"""The click as the service records it: its identity and what the browser said about itself."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, NewType
from uuid import UUID

from uuid_utils.compat import uuid7

MessageId = NewType("MessageId", UUID)
LinkId = NewType("LinkId", int)

RedirectCode = Literal[301, 302, 307, 308]
"""How a link redirects: for good or for now, and whether a form sent there stays a form."""

TEXT_LIMIT = 1024
"""Characters kept of a referrer or a user agent; what is longer is cut, not refused."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Click(NamedTuple):
    """One click on its way to the outbox.

    `message_id` is a UUIDv7 made before the first try to store the click; every retry and every
    replay carries the same one, which is why no click is ever counted twice.
    """

    message_id: MessageId
    referrer: str | None
    user_agent: str | None


def new_message_id() -> MessageId:
    """Return a UUIDv7: orders by time, monotonic within the process."""
    return MessageId(uuid7())


def clean_header(value: str | None) -> str | None:
    """Return a header's text as Postgres can store it, None when nothing is left.

    Bytes above 0x7F arrive as lone surrogates and are decoded as UTF-8 (what is not UTF-8 becomes
    U+FFFD); control characters become spaces; at most TEXT_LIMIT characters remain.
    """
    if not value:
        return None
    if value.isascii() and value.isprintable():
        # As good as all of them, at a tenth of the cost of what follows.
        return value[:TEXT_LIMIT].strip() or None
    if not value.isascii():
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _CONTROL.sub(" ", value[:TEXT_LIMIT]).strip() or None
