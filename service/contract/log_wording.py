"""How observations are worded in the log: their names, levels and fields."""

from __future__ import annotations

import logging
import re
from dataclasses import fields
from typing import Literal, assert_never

from service.contract.log_format import Entry
from service.contract.log_limit import Told
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
    PartitionRefused,
    PartitionsMade,
    PipelineMeasured,
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


def name_of(observation: Observation) -> str:
    """Return the name an observation has in the log and in the runbook: `batch_moved`."""
    return _CAPITAL.sub("_", type(observation).__name__).lower()


def level_of(observation: Observation) -> Level:
    """Return how severe an observation is."""
    match observation:
        case Redirected() | BacklogMeasured() | PipelineMeasured() | ServerMeasured() | LogPruned():
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


def fields_of(observation: Told) -> Entry:
    """Return what an observation says, by field; an error with its trace."""
    told = {field.name: getattr(observation, field.name) for field in fields(observation)}
    for name, value in told.items():
        if isinstance(value, float):
            told[name] = round(value, 6)
    error = told.get("error")
    if isinstance(error, BaseException):
        told["error"] = repr(error)
        told["exc_info"] = (type(error), error, error.__traceback__)
    return told


def number_of(level: Level) -> int:
    """Return the level as the logging module counts them."""
    number: int = getattr(logging, level.upper())
    return number
