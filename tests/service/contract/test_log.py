"""Observations as log lines."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from service.contract import stderr
from service.contract.log import Log
from service.contract.log_format import Format
from service.contract.log_limit import LIMITS
from service.contract.log_wording import Level, level_of, name_of
from service.contract.observations import (
    BatchMoved,
    EventFailed,
    LogLinesDropped,
    Observation,
    Observer,
    Redirected,
    RequestFailed,
)
from service.contract.stderr import Stderr, logger, open_log, say
from tests.support.log_reader import terminal_reader
from tests.support.waiting import until

ALL = get_args(Observation)


def example(kind: type[Any]) -> Observation:
    """One of these observations, filled with something."""
    filled = {
        "int": 7,
        "float": 0.123456789,
        "str": "text",
        "bool": True,
        "float | None": 0.5,
        "int | None": 7,
        "RedirectOutcome": "found",
        "CutReason": "slow",
        "str | None": "text",
    }
    values: dict[str, Any] = {}
    for field in fields(kind):
        if field.type == "BaseException":
            values[field.name] = ValueError("drill")
        else:
            values[field.name] = filled.get(str(field.type), "relay")
    made: Observation = kind(**values)
    return made


Captured = pytest.CaptureFixture[str]


@pytest.fixture
def log(capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> Iterator[Captured]:
    """Standard error; everything that a log takes over is put back afterwards."""
    root = logging.getLogger()
    silenced = ("aiohttp.server", "aiohttp.internal", "pgqueuer", "psycopg.pool")
    levels = {name: logging.getLogger(name).level for name in silenced}
    handlers, level = root.handlers[:], root.level
    for module, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.delenv("LOG_FORMAT", raising=False)
    yield capfd
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def ignored(_: Observation) -> None:
    """Count nothing."""


def observer(level: Level, form: Format, process: str) -> Observer:
    """What the process reports to."""
    return logger(level, form, process, ignored)


def written(log: Captured) -> list[str]:
    """End the log; return its lines. Nothing goes to stdout, which belongs to data."""
    assert isinstance(sys.stderr, Stderr)
    sys.stderr.log.close()
    said = log.readouterr()
    assert "" == said.out
    return said.err.splitlines()


def told(log: Captured) -> list[dict[str, Any]]:
    """End the log; return its entries."""
    return [json.loads(line) for line in written(log)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_observation_is_one_json_line(kind: type[Any], log: Captured) -> None:
    """Each writes one line: time, level, process, its pid, its name, and every field it has."""
    observation = example(kind)
    observer("debug", "json", "relay")(observation)
    (entry,) = told(log)
    assert name_of(observation) == entry["event"]
    assert level_of(observation) == entry["level"]
    assert os.getpid() == entry["pid"]
    assert "timestamp" in entry
    for field in fields(kind):
        assert field.name in entry
    assert entry["process"] == getattr(observation, "process", "relay")
    assert kind not in LIMITS or entry["times"] >= 1


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


def test_levels_are_filtered(log: Captured) -> None:
    """What is less severe than LOG_LEVEL is not written."""
    observe = observer("warning", "json", "service")
    for kind in ALL:
        observe(example(kind))
    levels = [entry["level"] for entry in told(log)]
    assert {"warning", "error"} == set(levels)
    assert len(levels) == len([k for k in ALL if level_of(example(k)) in {"warning", "error"}])


def test_what_comes_often_is_summed_up(log: Captured) -> None:
    """Ten thousand failures are one line at once, and one with all the others a second later."""
    observe = observer("info", "json", "relay")
    for number in range(10_000):
        observe(EventFailed(str(number), 1, "error", 0.5))
    lines = told(log)
    assert 10_000 == sum(entry["times"] for entry in lines)
    assert {"event_failed"} == {entry["event"] for entry in lines}
    assert ("0", 1) == (lines[0]["message_id"], lines[0]["times"])
    assert "9999" == lines[-1]["message_id"]
    # One more for each second that a slow machine takes.
    assert len(lines) <= 10


def test_sums_are_written_without_another_call(log: Captured) -> None:
    """The last of many does not wait for the next one, nor for the end."""
    observe = observer("info", "json", "relay")
    for _ in range(3):
        observe(BatchMoved(2, 2, 0, 0, 0, 0, 0.1))
    found: list[str] = []

    def lines() -> int:
        found.extend(log.readouterr().err.splitlines())
        return len(found)

    until(lambda: lines() == 2, "the sum")
    entries = map(json.loads, found)
    assert [(1, 2), (2, 4)] == [(entry["times"], entry["moved"]) for entry in entries]
    written(log)


def test_debug_sums_nothing_up(log: Captured) -> None:
    """At debug every batch and every event has a line of its own."""
    observe = observer("debug", "json", "relay")
    for _ in range(100):
        observe(BatchMoved(2, 2, 0, 0, 0, 0, 0.1))
    assert [1] * 100 == [entry["times"] for entry in told(log)]


def test_hostile_text_stays_in_its_line(log: Captured) -> None:
    """Newlines, NUL, escapes and lone surrogates in a code neither break nor forge a line."""
    code = 'x"\n{"event": "forged"}\r\x00\x1b[2J\udcff'
    observer("debug", "json", "service")(Redirected("GET", code, "unknown", 0.001))
    (line,) = written(log)
    assert line.isascii()
    assert code == json.loads(line)["code"]


def test_a_failure_carries_its_trace(log: Captured) -> None:
    """A request that met an unexpected error is told with the traceback, still on one line."""
    try:
        raise ValueError("drill")
    except ValueError as error:
        observer("info", "json", "service")(RequestFailed("GET", "/x", error))
    (entry,) = told(log)
    assert "Traceback" in entry["exception"]
    assert "test_a_failure_carries_its_trace" in entry["exception"]
    assert "ValueError('drill')" == entry["error"]


def test_libraries_take_the_same_form(log: Captured) -> None:
    """A library's warning is a JSON line like ours, its chatter is not written."""
    observer("info", "json", "service")
    logging.getLogger("somebody.else").warning("careful with %s", "that")
    logging.getLogger("somebody.else").info("chatter")
    logging.getLogger("aiohttp.server").error("malformed request")
    (entry,) = told(log)
    assert ("library", "warning") == (entry["event"], entry["level"])
    assert ("somebody.else", "careful with that") == (entry["logger"], entry["message"])
    assert ("service", os.getpid()) == (entry["process"], entry["pid"])


def test_a_library_may_log_wrongly(log: Captured) -> None:
    """Arguments that do not fit its message reach nobody."""
    observer("info", "json", "service")
    logging.getLogger("somebody.else").warning("%d", "no number")
    assert ["%d"] == [entry["message"] for entry in told(log)]


def test_a_library_does_not_fill_the_log(log: Captured) -> None:
    """What it repeats is summed up, even with other numbers in it; another message is not."""
    observer("info", "json", "service")
    for number in range(1000):
        logging.getLogger("somebody.else").warning("lost connection %d", number)
    logging.getLogger("somebody.else").warning("another")
    lines = told(log)
    assert 1001 == sum(entry["times"] for entry in lines)
    assert {"lost connection 0", "lost connection 999", "another"} <= {
        entry["message"] for entry in lines
    }
    assert len(lines) <= 10


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_librarys_failure_carries_its_trace(
    log: Captured, form: Literal["json", "console"]
) -> None:
    """So does what a library could not do; one that only says so has none to carry."""
    observer("info", form, "service")
    try:
        raise ValueError("drill")
    except ValueError:
        logging.getLogger("somebody.else").exception("oh")
    logging.getLogger("somebody.else").exception("no")  # noqa: LOG004 - that is the point
    lines = written(log)
    assert "Traceback" in "".join(lines)
    if form == "json":
        first, second = map(json.loads, lines)
        assert first["exception"].endswith("ValueError: drill")
        assert "ValueError('drill')" == first["error"]
        assert "exception" not in second


def test_auto_is_json_where_no_person_looks(log: Captured) -> None:
    """Without a terminal `auto` writes JSON; `console` writes for people."""
    observer("info", "auto", "service")(example(BatchMoved))
    observer("info", "console", "service")(example(LogLinesDropped))
    first, second = written(log)
    json.loads(first)
    assert " log_lines_dropped " in second
    assert "\x1b" not in second


def test_auto_is_for_people_on_a_terminal() -> None:
    """With colours."""
    with terminal_reader() as reader:
        log = Log("service", reader.theirs)
        log.observer("info", ignored)(example(BatchMoved))
        log.close()
        until(lambda: "batch_moved" in reader.text, "the line")
        assert "\x1b[32m" in reader.text


def test_everything_on_stderr_is_a_line_of_the_log(log: Captured) -> None:
    """Words, warnings, exceptions of threads and finalizers: all JSON, none of it written at once."""
    open_log("service")
    say("hello\nworld")
    say("no", "error")
    print("pieces", "of", "it", file=sys.stderr)
    warnings.showwarning("careful", UserWarning, "file.py", 7)

    def fail() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=fail, name="its name")
    thread.start()
    thread.join()

    class Leaves:
        def __del__(self) -> None:
            raise ValueError("in a finalizer")

    Leaves()
    gc.collect()
    try:
        raise KeyError("uncaught")
    except KeyError as error:
        sys.excepthook(KeyError, error, error.__traceback__)
    found = told(log)
    assert {("service", os.getpid())} == {(entry["process"], entry["pid"]) for entry in found}
    assert [
        ("message", "info", "hello\nworld"),
        ("message", "error", "no"),
        ("message", "info", "pieces of it"),
        ("library", "warning", "file.py:7: UserWarning: careful\n"),
        ("uncaught_exception", "error", None),
        ("unraisable_exception", "error", "Exception ignored"),
        ("uncaught_exception", "error", None),
    ] == [(entry["event"], entry["level"], entry.get("message")) for entry in found]
    assert ["its name", "main"] == [entry["thread"] for entry in found if "thread" in entry]
    assert "in a thread" in found[4]["exception"]
    assert "KeyError('uncaught')" == found[6]["error"]


def test_words_of_a_command_stay_words(log: Captured) -> None:
    """A command that ends by itself logs in JSON and speaks plainly."""
    observe = observer("info", "json", "relay")
    say("2 events wait.")
    observe(example(BatchMoved))
    words, line = written(log)
    assert "2 events wait." == words
    assert "batch_moved" == json.loads(line)["event"]


def test_long_text_without_a_line_is_bounded(
    log: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is passed on in pieces."""
    monkeypatch.setattr(stderr, "LONGEST_WORDS", 100)
    open_log("service")
    for _ in range(25):
        sys.stderr.write("x" * 10)
    assert ["x" * 110] * 2 == [entry["message"] for entry in told(log)]


def test_a_process_without_stderr_has_a_log(monkeypatch: pytest.MonkeyPatch, log: Captured) -> None:
    """Started with its standard error closed it writes nowhere: the number may be a socket's."""
    monkeypatch.setattr(sys, "stderr", None)
    say("hello")
    observe = observer("info", "json", "service")
    observe(example(BatchMoved))
    assert isinstance(sys.stderr, Stderr)
    assert os.path.samestat(os.fstat(sys.stderr.fileno()), Path(os.devnull).stat())
    sys.stderr.log.close()
    os.close(sys.stderr.fileno())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a /dev/full")
def test_a_full_disk_costs_lines_and_nothing_else(log: Captured) -> None:
    """Whoever reports goes on, be it an observation, a library's line, or words; all are counted."""
    counted: list[Observation] = []
    with Path("/dev/full").open("wb") as full:
        made = Log("relay", full.fileno(), "json")
        observe = made.observer("debug", counted.append)
        for _ in range(3):
            observe(Redirected("GET", "code", "found", 0.001))
            made.say("hello")
        until(lambda: made._writer.dropped == 6, "six lines lost")
        observe(Redirected("GET", "code", "found", 0.001))
        made.close()
    assert 6 == sum(each.lines for each in counted if isinstance(each, LogLinesDropped))


def test_a_redirect_below_debug_costs_nothing(log: Captured) -> None:
    """It is not looked at: nothing is queued, no sum is kept, no thread begins."""
    observe = observer("info", "json", "service")
    for _ in range(1000):
        observe(Redirected("GET", "code", "found", 0.001))
    assert isinstance(sys.stderr, Stderr)
    assert sys.stderr.log._writer._thread is None
