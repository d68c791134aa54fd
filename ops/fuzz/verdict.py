"""What came back, and what of it must never come: a 5xx but 503, silence, an answer that takes long. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

HANGS = 5.0
"""Seconds after which an answer that is owed has not come."""

KEPT = 20
"""Faults that are told with what was sent."""

_STATUS = re.compile(rb"HTTP/1\.[01] (?P<status>[0-9]{3}) ")


@dataclass(slots=True)
class Tally:
    """Counts answers by status, and keeps the faults."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    def note(self, sent: bytes, answer: bytes, seconds: float, *, whole: bool) -> None:
        """Judge one answer; `whole` when what was sent is a request that must be answered."""
        match = _STATUS.match(answer)
        status = match["status"].decode() if match else "none"
        self.statuses[status] += 1
        if status.startswith("5") and status != "503":
            self._fault(f"status {status}", sent, answer)
        if whole and match is None:
            self._fault("closed without an answer", sent, answer)
        if whole and seconds > HANGS:
            self._fault(f"more than {HANGS:.0f} s", sent, answer)
        if b"\r\nX-Injected" in answer.partition(b"\r\n\r\n")[0]:
            self._fault("a header of the client's making", sent, answer)

    def _fault(self, what: str, sent: bytes, answer: bytes) -> None:
        self.faults[what] += 1
        if len(self.kept) < KEPT:
            self.kept.append((what, sent[:2000], answer[:500]))

    @property
    def cases(self) -> int:
        """How many were judged."""
        return sum(self.statuses.values())
