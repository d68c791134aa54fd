"""The log: turns observations and words into lines, and queues them to be written."""

from __future__ import annotations

import logging
import os
import threading
from time import monotonic

from service.contract.log_format import Entry, Format, as_json, entry, for_people
from service.contract.log_limit import LIMITS, LibraryLine, LogLimiter, Told
from service.contract.log_wording import Level, fields_of, level_of, name_of, number_of
from service.contract.log_writer import LogWriter
from service.contract.observations import LogLinesDropped, Observation, Observer, Redirected


class Log:
    """Writes lines of one form to a descriptor, none of them at once."""

    def __init__(
        self, process: str, descriptor: int, form: Format = "auto", *, words: bool = False
    ) -> None:
        self.descriptor = descriptor
        self._process = process
        self._pid = os.getpid()
        self._words = words
        self.configure(form)
        self._limiter = LogLimiter()
        # Reentrant: a finalizer may report something while the same thread is inside.
        self._limiting = threading.RLock()
        self._writer = LogWriter(descriptor, self._dropped_line, self._sums)

    def configure(self, form: Format) -> None:
        """Write in this form from now on; auto: for a person on a terminal, as JSON elsewhere."""
        terminal = os.isatty(self.descriptor)
        self._json = form == "json" or (form != "console" and not terminal)
        self._colours = terminal

    @property
    def speaks_plainly(self) -> bool:
        """Whether words for a person are written as they are."""
        return self._words or not self._json

    def observer(self, level: Level, count: Observer) -> Observer:
        """Return what logs observations of this level and above; at debug each has its own line."""
        least = number_of(level)
        counted = self._writer.dropped

        def log(observation: Observation) -> None:
            nonlocal counted
            if type(observation) is Redirected and least > logging.DEBUG:
                # Most observations are these.
                return
            if self._writer.dropped != counted:
                dropped = self._writer.dropped - counted
                counted += dropped
                count(LogLinesDropped(dropped))
            if number_of(level_of(observation)) < least:
                return
            if least > logging.DEBUG:
                with self._limiting:
                    if not self._limiter.admit(observation, monotonic()):
                        return
            self._writer.put(self._line(observation))

        return log

    def library(self, line: LibraryLine) -> None:
        """Write a library's own line."""
        with self._limiting:
            if not self._limiter.admit(line, monotonic()):
                return
        self._writer.put(self._line(line))

    def say(self, text: str, level: Level = "info") -> None:
        """Write words for a person: as they are, or as the message of a JSON line."""
        if self.speaks_plainly:
            self._writer.put(f"{text}\n".encode("utf-8", "backslashreplace"))
        else:
            self.write("message", level, {"message": text})

    def write(self, event: str, level: str, told: Entry) -> None:
        """Write one line."""
        self._writer.put(self._rendered(event, level, told))

    def close(self) -> None:
        """Write what is queued, for about a second at most; nothing is written later."""
        for line in self._sums(float("inf"))[0]:
            self._writer.put(line)
        self._writer.close()

    def _sums(self, now: float) -> tuple[list[bytes], float | None]:
        with self._limiting:
            sums, pause = self._limiter.due(now), self._limiter.pause(now)
        return [self._line(last, times) for last, times in sums], pause

    def _dropped_line(self, lines: int) -> bytes:
        return self._line(LogLinesDropped(lines))

    def _line(self, observation: Told, times: int = 1) -> bytes:
        told = fields_of(observation)
        if type(observation) in LIMITS:
            told.setdefault("times", times)
        if isinstance(observation, LibraryLine):
            return self._rendered("library", told.pop("level"), told)
        return self._rendered(name_of(observation), level_of(observation), told)

    def _rendered(self, event: str, level: str, told: Entry) -> bytes:
        made = entry(event, level, self._process, self._pid, told)
        line = as_json(made) if self._json else for_people(made, colours=self._colours)
        return f"{line}\n".encode("utf-8", "backslashreplace")
