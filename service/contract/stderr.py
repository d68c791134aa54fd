"""Standard error, taken over by the log.

Everything that this process writes there takes the same way, the queue of `LogWriter`: observations, what
libraries log, words for a person, uncaught exceptions. None of it waits for the reader.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import sys
import threading
import traceback
from contextlib import suppress
from types import TracebackType
from typing import TextIO, cast

from service.contract.log import Log
from service.contract.log_format import Entry, Format
from service.contract.log_limit import LibraryLine
from service.contract.log_wording import Level
from service.contract.observations import Observer

LONGEST_WORDS = 64 * 1024
"""Characters of a line that stderr collects before it passes them on."""


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
    sys.stderr = Stderr(log, given)
    uncaught = _Uncaught(log)
    sys.excepthook = uncaught.main
    threading.excepthook = uncaught.thread
    sys.unraisablehook = uncaught.unraisable
    _adopt_libraries(log)
    atexit.register(log.close)
    return log


def logger(level: Level, form: Format, process: str, count: Observer) -> Observer:
    """Return the observer that writes the log. `count` is told of lines that were dropped."""
    log = open_log(process, words=True)
    log.configure(form)
    return log.observer(level, count)


def say(text: str, level: Level = "info") -> None:
    """Write words for a person to stderr, or to the log once there is one. A full disk is no error."""
    if isinstance(sys.stderr, Stderr):
        sys.stderr.log.say(text, level)
        return
    # There is no stderr at all when the process was started without one.
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class Stderr(io.TextIOBase):
    """Takes the place of sys.stderr: each line that is written becomes one of the log's."""

    def __init__(self, log: Log, original: TextIO | None) -> None:
        self.log = log
        self._original = original  # it would close the descriptor with its last reference
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
        level, error = record.levelname.lower(), record.exc_info and record.exc_info[1]
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit must not reach the caller
            message = str(record.msg)
        self._log.library(LibraryLine(record.name, level, message, error or None))


class _Uncaught:
    """Logs the exceptions that nothing caught."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def main(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Log what ends the process."""
        self._uncaught(kind, error, trace, "main")

    def thread(self, given: threading.ExceptHookArgs) -> None:
        """Log what ends a thread."""
        if given.exc_value is not None and given.exc_type is not SystemExit:
            name = given.thread.name if given.thread else ""
            self._uncaught(given.exc_type, given.exc_value, given.exc_traceback, name)

    def unraisable(self, given: sys.UnraisableHookArgs) -> None:
        """Log what had nowhere to go: an exception in a finalizer, for instance."""
        error = given.exc_value
        told: Entry = {"message": given.err_msg or "Exception ignored", "error": repr(error)}
        told["object"] = repr(given.object)
        told["exc_info"] = (given.exc_type, error, given.exc_traceback)
        self._log.write("unraisable_exception", "error", told)

    def _uncaught(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
        thread: str,
    ) -> None:
        if self._log.speaks_plainly:
            self._log.say("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))
        else:
            told: Entry = {"thread": thread, "error": repr(error)}
            told["exc_info"] = (kind, error, trace)
            self._log.write("uncaught_exception", "error", told)


def _adopt_libraries(log: Log) -> None:
    """Let the libraries' own log lines take the same way; silence what we report ourselves."""
    root = logging.getLogger()
    root.handlers[:] = [_Libraries(log)]
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
