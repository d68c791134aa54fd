"""Observations as log lines."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from service.contract.logs import level_of, logger, name_of
from service.contract.observations import (
    BatchMoved,
    Observation,
    Redirected,
    RequestFailed,
)
from service.contract.process import say

ALL = get_args(Observation)

Written = Callable[[], str]


def example(kind: type[Any]) -> Observation:
    """One of these observations, filled with something."""
    filled = {
        "int": 7,
        "float": 0.123456789,
        "str": "text",
        "bool": True,
        "RedirectOutcome": "found",
        "CutReason": "slow",
    }
    values: dict[str, Any] = {}
    for field in fields(kind):
        if field.type == "BaseException":
            values[field.name] = ValueError("drill")
        else:
            values[field.name] = filled.get(str(field.type), "relay")
    made: Observation = kind(**values)
    return made


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    """Gives what was written to standard error since it was last asked.

    The libraries' logging is put back afterwards; stdout, which belongs to data, is empty.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def written() -> str:
        said = capsys.readouterr()
        assert "" == said.out
        return said.err

    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("aiohttp.server", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_observation_is_one_json_line(kind: type[Any], written: Written) -> None:
    """Each writes one line: time, level, process, its name, and every field it has."""
    observation = example(kind)
    logger("debug", "json", "relay")(observation)
    line, end, rest = written().partition("\n")
    assert ("\n", "") == (end, rest)
    told = json.loads(line)
    assert name_of(observation) == told["event"]
    assert level_of(observation) == told["level"]
    assert "timestamp" in told
    for field in fields(kind):
        assert field.name in told
    assert told["process"] == getattr(observation, "process", "relay")


def test_the_list_is_closed() -> None:
    """Every observation of the module is in the union, under a name of its own."""
    from service.contract import observations

    defined = {
        value
        for value in vars(observations).values()
        if isinstance(value, type) and value.__module__ == observations.__name__
    }
    assert defined == set(ALL)
    assert len(ALL) == len({name_of(example(kind)) for kind in ALL})


def test_names_are_words() -> None:
    """A class's name becomes lower-case words."""
    assert "batch_moved" == name_of(BatchMoved(1, 1, 0, 0, 0, 0, 0.1))


def test_levels_are_filtered(written: Written) -> None:
    """What is less severe than LOG_LEVEL is not written."""
    log = logger("warning", "json", "service")
    for kind in ALL:
        log(example(kind))
    levels = [json.loads(line)["level"] for line in written().splitlines()]
    assert {"warning", "error"} == set(levels)
    assert len(levels) == len([k for k in ALL if level_of(example(k)) in {"warning", "error"}])


def test_hostile_text_stays_in_its_line(written: Written) -> None:
    """Newlines, NUL, escapes and lone surrogates in a code neither break nor forge a line."""
    code = 'x"\n{"event": "forged"}\r\x00\x1b[2J\udcff'
    logger("debug", "json", "service")(Redirected("GET", code, "unknown", 0.001))
    (line,) = written().split("\n")[:-1]
    assert line.isascii()
    assert code == json.loads(line)["code"]


def test_a_failure_carries_its_trace(written: Written) -> None:
    """A request that met an unexpected error is told with the traceback, still on one line."""
    try:
        raise ValueError("drill")
    except ValueError as error:
        logger("info", "json", "service")(RequestFailed("GET", "/x", error))
    (line,) = written().splitlines()
    told = json.loads(line)
    assert "Traceback" in told["exception"]
    assert "test_a_failure_carries_its_trace" in told["exception"]
    assert "ValueError('drill')" == told["error"]


def test_libraries_take_the_same_form(written: Written) -> None:
    """A library's warning is a JSON line like ours, its chatter is not written."""
    logger("info", "json", "service")
    logging.getLogger("somebody.else").warning("careful with %s", "that")
    logging.getLogger("somebody.else").info("chatter")
    logging.getLogger("aiohttp.server").error("malformed request")
    (line,) = written().splitlines()
    told = json.loads(line)
    assert ("careful with that", "warning") == (told["event"], told["level"])


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_librarys_failure_carries_its_trace(
    written: Written, form: Literal["json", "console"]
) -> None:
    """So does what a library could not do; one that only says so has none to carry."""
    logger("info", form, "service")
    try:
        raise ValueError("drill")
    except ValueError:
        logging.getLogger("somebody.else").exception("oh")
    logging.getLogger("somebody.else").exception("no")  # noqa: LOG004 - that is the point
    told = written()
    assert "Traceback" in told
    if form == "json":
        first, second = map(json.loads, told.splitlines())
        assert first["exception"].endswith("ValueError: drill")
        assert "exception" not in second


def test_auto_is_json_where_no_person_looks(written: Written) -> None:
    """Without a terminal `auto` writes JSON; `console` writes for people."""
    logger("info", "auto", "service")(example(BatchMoved))
    json.loads(written())
    logger("info", "console", "service")(example(BatchMoved))
    told = written()
    assert "batch_moved" in told
    assert not told.startswith("{")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a /dev/full")
def test_a_full_disk_costs_lines_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    """Whoever reports goes on, be it an observation, a library's line, or words for a person."""
    with suppress(OSError), Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        observe = logger("debug", "json", "relay")
        for _ in range(3):
            observe(Redirected("GET", "code", "found", 0.001))
            logging.getLogger("somebodys.package").warning("careful")
            say("hello")
        monkeypatch.undo()
    assert "" == written()
