"""How observations are told in the log: one line each, to stderr; stdout belongs to data."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from dataclasses import fields
from typing import Any, Literal, TextIO, assert_never, cast

from service.contract.forms import Form, Write, entry, writing
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

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class Unfailing:
    """Writes to a stream what it can: a full disk costs lines of the log, and nothing else.

    Whoever reports something is in the middle of a request or a batch.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def logger(level: Level, form: Form, process: str) -> Observer:
    """Set logging up for this process and return the observer that writes the log."""
    stderr = cast("TextIO", Unfailing(sys.stderr))
    write = writing(form)
    _adopt_libraries(stderr, write)
    least = _number(level)

    def log(observation: Observation) -> None:
        if type(observation) is Redirected and least > logging.DEBUG:
            # Most observations are these, and nobody wants to read them.
            return
        wanted = level_of(observation)
        if _number(wanted) < least:
            return
        told = {"process": process, **_told(observation)}
        stderr.write(f"{write(entry(name_of(observation), wanted, told))}\n")
        stderr.flush()

    return log


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


class _Adopted(logging.Formatter):
    """A library's own line, in the form of ours."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def format(self, record: logging.LogRecord) -> str:
        told = {"exc_info": record.exc_info} if record.exc_info and record.exc_info[1] else {}
        return self._write(entry(record.getMessage(), record.levelname.lower(), told))


def _adopt_libraries(stream: TextIO, write: Write) -> None:
    """Let the libraries' own log lines take the same form, and silence what we report ourselves."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Adopted(write))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # aiohttp logs a traceback for every malformed request: anyone could fill the disk with them.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # One warning for each bad cookie, should somebody ask it to read them.
    logging.getLogger("aiohttp.internal").setLevel(logging.CRITICAL)
    # We report what goes wrong in a job; the rest is noise while a database is away.
    logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)
    # The pool tells of each failed try to connect; DatabaseUnavailable says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
