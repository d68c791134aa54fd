"""Reads a connection's messages to Postgres and back just far enough to know a commit's answer."""

from __future__ import annotations

import re

_WRITES = re.compile(rb"\b(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)

_IDLE = b"I"


class Commits:
    """Follows one unencrypted connection; `held` says whether an answer must be held back."""

    def __init__(self) -> None:
        self._to_server = _Messages(startup=True)
        self._to_client = _Messages()
        self._writing: set[bytes] = set()
        self._refused = False
        self.held = False
        """A write is under way: what the server says until it is ready is its answer."""

    def asked(self, data: bytes) -> None:
        """Take bytes that the client sends, before they are forwarded."""
        for kind, body in self._to_server.take(data):
            if kind == b"P":
                name, _, rest = body.partition(b"\0")
                if _WRITES.search(rest.partition(b"\0")[0]):
                    self._writing.add(name)
                else:
                    self._writing.discard(name)
            elif kind == b"B":
                self.held |= body.split(b"\0", 2)[1] in self._writing
            elif kind == b"Q":
                self.held |= bool(_WRITES.search(body))

    def answered(self, data: bytes) -> bool:
        """Take bytes that the server sends; true when they end the answer to a commit of writes."""
        committed = False
        for kind, body in self._to_client.take(data):
            if kind == b"E":
                self._refused = True
            elif kind == b"Z":
                if body == _IDLE:
                    committed = self.held and not self._refused
                    self.held = False
                self._refused = False
        return committed

    @property
    def open(self) -> bool:
        """Whether the server's answer is still to end: part of it came."""
        return self._to_client.amid


class _Messages:
    """Cuts a stream of bytes into messages: a letter, a length that includes itself, a body."""

    def __init__(self, *, startup: bool = False) -> None:
        self._buffer = b""
        self._startup = startup
        self.amid = False

    def take(self, data: bytes) -> list[tuple[bytes, bytes]]:
        self._buffer += data
        found = []
        while True:
            # The very first message of a client has no letter.
            letter = 0 if self._startup else 1
            if len(self._buffer) < letter + 4:
                break
            end = letter + int.from_bytes(self._buffer[letter : letter + 4], "big")
            if len(self._buffer) < end:
                break
            if not self._startup:
                found.append((self._buffer[:1], self._buffer[5:end]))
            self._startup = False
            self._buffer = self._buffer[end:]
        if found:
            self.amid = found[-1][0] != b"Z"
        return found
