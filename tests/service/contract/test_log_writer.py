"""service/contract/log_writer.py."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.contract import log_writer
from service.contract.log_writer import ATOMIC, LogWriter
from tests.support.log_reader import LogReader, pipe_reader, terminal_reader
from tests.support.waiting import until


def made(descriptor: int) -> LogWriter:
    """A writer that reports dropped lines plainly."""
    return LogWriter(descriptor, lambda lines: f"dropped {lines}\n".encode())


@pytest.fixture(params=[pipe_reader, terminal_reader])
def reader(request: pytest.FixtureRequest) -> Iterator[LogReader]:
    """A reader that can pause."""
    with request.param() as found:
        yield found


def lines(reader: LogReader) -> list[str]:
    """What was read, without what filled the kernel's buffer."""
    return [line for line in reader.text.split("\n") if line.strip(".\r")]


def test_lines_arrive_in_order(reader: LogReader) -> None:
    """All of them, each whole, and the end waits for the last."""
    writer = made(reader.theirs)
    for number in range(1000):
        writer.put(b"line %d\n" % number)
    writer.close(10)
    until(lambda: lines(reader) == [f"line {number}" for number in range(1000)], "all lines")
    assert 0 == writer.dropped


def test_a_stalled_reader_costs_lines(reader: LogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """put() does not wait, the queue stays bounded, and the loss is counted and told in the log."""
    monkeypatch.setattr(log_writer, "LINES", 100)
    writer = made(reader.theirs)
    reader.pause()
    number = 0
    while writer.dropped < 50:
        writer.put(b"x" * 200 + b" %d\n" % number)
        number += 1
    assert len(writer._queue) <= 100
    reader.resume()
    until(lambda: "dropped 50" in lines(reader), "the report")
    until(lambda: len(lines(reader)) == number - 50 + 1, "all others")
    writer.put(b"the next\n")
    until(lambda: lines(reader)[-1] == "the next", "the next line")
    writer.close(10)
    assert 1 == sum("dropped" in line for line in lines(reader))


def test_bytes_are_bounded_too(reader: LogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few long lines fill the queue as well."""
    monkeypatch.setattr(log_writer, "BYTES", 100_000)
    writer = made(reader.theirs)
    reader.pause()
    for _ in range(100):
        writer.put(b"x" * 9_999 + b"\n")
    assert writer._bytes <= 100_000
    assert 88 <= writer.dropped <= 90
    reader.resume()
    writer.close(10)


def test_the_end_does_not_wait_for_ever(reader: LogReader) -> None:
    """close() gives up after the time it has."""
    writer = made(reader.theirs)
    reader.pause()
    for _ in range(100):
        writer.put(b"x" * 500 + b"\n")
    began = time.monotonic()
    writer.close(0.2)
    assert 0.1 < time.monotonic() - began < 10
    writer.put(b"too late\n")
    assert 1 == writer.dropped
    reader.resume()


def test_nothing_written_means_no_thread() -> None:
    """Making a writer starts nothing, closing it waits for nothing."""
    before = threading.active_count()
    writer = made(2)
    assert before == threading.active_count()
    writer.close(60)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a /dev/full")
def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    """Lines that the disk refuses are counted; once it has room they are told, the rest written."""
    log = tmp_path / "log"
    descriptor = os.open("/dev/full", os.O_WRONLY)
    writer = made(descriptor)
    for _ in range(3):
        writer.put(b"lost\n")
    until(lambda: writer.dropped == 3, "three lines lost")
    with log.open("wb") as file:
        os.dup2(file.fileno(), descriptor)
    writer.put(b"kept\n")
    writer.close(10)
    os.close(descriptor)
    assert "kept\ndropped 3\n" == log.read_text()


def test_a_reader_that_is_gone_is_survived() -> None:
    """EPIPE, and a descriptor that was closed."""
    ours, theirs = os.pipe()
    os.close(ours)
    writer = made(theirs)
    writer.put(b"lost\n")
    until(lambda: writer.dropped == 1, "one line lost")
    os.close(theirs)
    writer.put(b"lost\n")
    until(lambda: writer.dropped == 2, "another")
    writer.close(10)


def test_a_descriptor_that_is_not_to_block(reader: LogReader) -> None:
    """Another process may have made the shared file non-blocking: no line is lost by that."""
    os.set_blocking(reader.theirs, False)
    writer = made(reader.theirs)
    reader.pause()
    for number in range(100):
        writer.put(b"x" * 400 + b" %d\n" % number)
    reader.resume()
    writer.close(30)
    until(lambda: len(lines(reader)) == 100, "all lines")
    assert all(line.startswith("x" * 400) for line in lines(reader))


def test_lines_of_several_processes_stay_whole() -> None:
    """On a pipe that they share: whole lines are written, in pieces that the kernel keeps together."""
    with pipe_reader() as reader:
        writers = [made(reader.theirs) for _ in range(4)]
        for number in range(2000):
            for name, writer in enumerate(writers):
                writer.put(f"{name} {number} {'x' * (number % 300)}\n".encode())
        for writer in writers:
            writer.close(30)
        until(lambda: len(lines(reader)) == 8000, "all lines")
        assert {line.split()[0] for line in lines(reader)} == set("0123")
        assert all(len(line.split()) <= 3 for line in lines(reader))


def test_a_line_beyond_the_atomic_size_goes_alone(reader: LogReader) -> None:
    """A trace is written as it is."""
    writer = made(reader.theirs)
    long = "x" * (3 * ATOMIC)
    for text in ("a", long, "b"):
        writer.put(f"{text}\n".encode())
    writer.close(10)
    until(lambda: lines(reader) == ["a", long, "b"], "all lines")


def test_what_is_due_is_written_without_a_call(reader: LogReader) -> None:
    """The thread asks for what is due when it said that it would be."""
    asked: list[float] = []

    def periodic(now: float) -> tuple[list[bytes], float | None]:
        asked.append(now)
        return ([b"due\n"], None) if len(asked) == 3 else ([], 0.01 if len(asked) < 3 else None)

    writer = LogWriter(reader.theirs, lambda lines: b"", periodic)
    writer.put(b"first\n")
    until(lambda: lines(reader) == ["first", "due"], "what is due")
    writer.close(10)
