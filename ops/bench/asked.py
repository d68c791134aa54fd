"""What a client asks of Postgres, counted from the bytes it sends: statements and round trips."""

from __future__ import annotations

from dataclasses import dataclass

LENGTH = 4
"""Bytes of a message's length, which counts itself but not the letter before it."""


@dataclass(slots=True)
class Asked:
    """So much, by all connections together."""

    statements: int = 0
    """Executed, each Execute or simple Query being one; BEGIN and COMMIT are statements too."""

    round_trips: int = 0
    """Times that a client stopped to wait: at each Sync or simple Query."""


class Requests:
    """One connection's messages, however the bytes come."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._buffer = bytearray()
        self._started = False

    def heard(self, data: bytes) -> None:
        """Count what has become whole with these bytes."""
        self._buffer += data
        # The first message, which says who connects, is the only one without a letter.
        while len(self._buffer) >= (letter := int(self._started)) + LENGTH:
            end = letter + int.from_bytes(self._buffer[letter : letter + LENGTH])
            if len(self._buffer) < end:
                return
            if self._started:
                self._count(self._buffer[0])
            self._started = True
            del self._buffer[:end]

    def _count(self, letter: int) -> None:
        self._asked.statements += letter in b"EQ"
        self._asked.round_trips += letter in b"SQ"
