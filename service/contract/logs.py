"""The log of a process: one line for each observation, to stderr; stdout belongs to data.

Everything that this process writes to stderr takes the same way, the queue of `LogWriter`: what is
observed, what libraries log, words for a person, uncaught exceptions. None of it waits for the reader.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import re
import sys
import threading
import traceback
from dataclasses import fields
from time import monotonic
from types import TracebackType
from typing import Any, Literal, TextIO, assert_never, cast

from service.contract.log_format import Entry, Format, as_json, entry, for_people
from service.contract.log_limit import LIMITS, LogLimiter
from service.contract.log_writer import LogWriter
from service.contract.observations import (
    BacklogMeasured,
    BatchMoved,
    ConnectionsCut,
    DatabaseReady,
    DatabaseRefused,
    DatabaseUnavailable,
    DataLossAccepted,
    EventBuried,
    EventFailed,
    EventSetAside,
    FaultDrill,
    JobFailed,
    LinkPurged,
    Listening,
    LogLinesDropped,
    LogPruned,
    Observation,
    Observer,
    PartitionRefused,
    PartitionsMade,
    Redirected,
    ReplacementFailed,
    RequestFailed,
    RequestServed,
    ServerMeasured,
    Stopped,
    WorkerExited,
    WorkerReplaced,
)

Level = Literal["debug", "info", "warning", "error"]

LONGEST_WORDS = 64 * 1024
"""Characters of a line that stderr collects before it passes them on."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def open_log(process: str, *, words: bool = False) -> Log:
    """Return the log of this process; the first call takes stderr over for it.

    With `words`, what is said to a person stays as it is even where lines are JSON.
    """
    if isinstance(sys.stderr, Stderr):
        return sys.stderr.log
    # None when the process was started without one: its number may be a socket's by now.
    given: TextIO | None = sys.stderr
    descriptor = os.open(os.devnull, os.O_WRONLY) if given is None else given.fileno()
    # Before the settings are read, which may fail: that has to be logged in the right form too.
    form = cast("Format", os.environ.get("LOG_FORMAT") or "auto")
    log = Log(process, descriptor, form, words=words)
    sys.stderr = Stderr(log)
    sys.excepthook = log.uncaught
    threading.excepthook = log.uncaught_in_thread
    sys.unraisablehook = log.unraisable
    log.adopt_libraries()
    atexit.register(log.close)
    return log


def logger(level: Level, form: Format, process: str, count: Observer) -> Observer:
    """Return the observer that writes the log. `count` is told of lines that were dropped."""
    log = open_log(process, words=True)
    log.configure(form)
    return log.observer(level, count)


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

    def observer(self, level: Level, count: Observer) -> Observer:
        """Return what logs observations of this level and above; at debug each has its own line."""
        least = _number(level)
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
            if _number(level_of(observation)) < least:
                return
            if least > logging.DEBUG:
                with self._limiting:
                    if not self._limiter.admit(observation, monotonic()):
                        return
            self._writer.put(self._line(observation))

        return log

    def say(self, text: str, level: Level = "info") -> None:
        """Write words for a person: as they are, or as the message of a JSON line."""
        if self._words or not self._json:
            self._writer.put(f"{text}\n".encode("utf-8", "backslashreplace"))
        else:
            self.write("message", level, {"message": text})

    def write(self, event: str, level: str, told: Entry) -> None:
        """Write one line."""
        self._writer.put(self._rendered(event, level, told))

    def uncaught(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
        thread: str | None = None,
    ) -> None:
        """Write what ends the process, or a thread."""
        if self._words or not self._json:
            self.say("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))
        else:
            told: Entry = {"error": repr(error), "exc_info": (kind, error, trace)}
            self.write("uncaught_exception", "error", {"thread": thread or "main", **told})

    def uncaught_in_thread(self, given: threading.ExceptHookArgs) -> None:
        """Write what ends a thread."""
        if given.exc_value is not None and given.exc_type is not SystemExit:
            name = given.thread.name if given.thread else None
            self.uncaught(given.exc_type, given.exc_value, given.exc_traceback, name)

    def unraisable(self, given: sys.UnraisableHookArgs) -> None:
        """Write an exception that had nowhere to go: in a finalizer, for instance."""
        error = given.exc_value
        self.write(
            "unraisable_exception",
            "error",
            {
                "message": given.err_msg or "Exception ignored",
                "object": repr(given.object),
                "error": repr(error),
                "exc_info": (given.exc_type, error, given.exc_traceback),
            },
        )

    def adopt_libraries(self) -> None:
        """Let the libraries' own log lines take the same way; silence what we report ourselves."""
        root = logging.getLogger()
        root.handlers[:] = [_Libraries(self)]
        root.setLevel(logging.WARNING)
        logging.captureWarnings(True)
        # aiohttp logs a traceback for every malformed request: anyone could fill the disk with them.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        # One warning for each bad cookie, should somebody ask it to read them.
        logging.getLogger("aiohttp.internal").setLevel(logging.CRITICAL)
        # We report what goes wrong in a job; the rest is noise while a database is away.
        logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)
        # The pool tells of each failed try to connect; DatabaseUnavailable says it once.
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)

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

    def _line(self, observation: Observation, times: int = 1) -> bytes:
        told = _told(observation)
        if type(observation) in LIMITS:
            told.setdefault("times", times)
        return self._rendered(name_of(observation), level_of(observation), told)

    def _rendered(self, event: str, level: str, told: Entry) -> bytes:
        made = entry(event, level, self._process, self._pid, told)
        line = as_json(made) if self._json else for_people(made, colours=self._colours)
        return f"{line}\n".encode("utf-8", "backslashreplace")


class Stderr(io.TextIOBase):
    """Takes the place of sys.stderr: each line that is written becomes one of the log's."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._line = ""
        self._writing = threading.RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self.log.descriptor)

    def fileno(self) -> int:
        return self.log.descriptor

    def write(self, text: str) -> int:
        with self._writing:
            whole, newline, self._line = (self._line + text).rpartition("\n")
            if len(self._line) > LONGEST_WORDS:
                whole, newline, self._line = whole + newline + self._line, "\n", ""
        if newline:
            self.log.say(whole)
        return len(text)


class _Libraries(logging.Handler):
    """A library's own line, in the form of ours."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        told: Entry = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            told["exc_info"] = record.exc_info
        self._log.write("library", record.levelname.lower(), told)


def name_of(observation: Observation) -> str:
    """Return the name an observation has in the log and in the runbook: `batch_moved`."""
    return _CAPITAL.sub("_", type(observation).__name__).lower()


def level_of(observation: Observation) -> Level:
    """Return how severe an observation is."""
    match observation:
        case Redirected() | BacklogMeasured() | ServerMeasured() | LogPruned():
            return "debug"
        case RequestServed(route="/healthz" | "/readyz"):
            # Somebody asks every few seconds, for ever.
            return "debug"
        case (
            Listening()
            | Stopped()
            | RequestServed()
            | DatabaseReady()
            | BatchMoved()
            | PartitionsMade()
            | LinkPurged()
            | WorkerReplaced()
        ):
            return "info"
        case (
            EventFailed()
            | EventSetAside()
            | ConnectionsCut()
            | DatabaseUnavailable()
            | FaultDrill()
            | DataLossAccepted()
            | LogLinesDropped()
        ):
            return "warning"
        case (
            EventBuried()
            | DatabaseRefused()
            | JobFailed()
            | PartitionRefused()
            | RequestFailed()
            | WorkerExited()
            | ReplacementFailed()
        ):
            return "error"
        case _:
            assert_never(observation)


def _told(observation: Observation) -> dict[str, Any]:
    told = {field.name: getattr(observation, field.name) for field in fields(observation)}
    for name, value in told.items():
        if isinstance(value, float):
            told[name] = round(value, 6)
    error = told.get("error")
    if isinstance(error, BaseException):
        told["error"] = repr(error)
        told["exc_info"] = (type(error), error, error.__traceback__)
    return told


def _number(level: Level) -> int:
    number: int = getattr(logging, level.upper())
    return number
