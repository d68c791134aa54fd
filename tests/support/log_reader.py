"""A reader of a process's standard error that can stop reading: a pipe, or a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

SMALL = 4096
"""Bytes that the pipe holds."""


class LogReader:
    """Reads `ours`, unless told to pause; what was read goes to `copy` as well."""

    def __init__(self, ours: int, theirs: int, copy: BinaryIO | None = None) -> None:
        self.theirs = theirs
        """What a process is to have as its standard error."""
        self._ours = ours
        self._copy = copy
        self._said = bytearray()
        self._reading = threading.Event()
        self._reading.set()
        self._paused = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """Everything read so far."""
        return bytes(self._said).decode("utf-8", "replace")

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The complete log lines of this name, in order."""
        lines = [line for line in self.text.split("\n")[:-1] if line.startswith("{")]
        return [entry for entry in map(json.loads, lines) if entry.get("event") == event]

    def pause(self) -> None:
        """Stop reading, and fill what the kernel holds for the reader."""
        self._paused.clear()
        self._reading.clear()
        # Opened anew: the processes' own descriptors stay as they are, blocking.
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        filler = os.open(f"/proc/self/fd/{self.theirs}", flags)
        try:
            os.write(filler, b"\n")  # it may be in the middle of a read
            self._paused.wait()
            with suppress(BlockingIOError):
                while True:
                    os.write(filler, b"." * 511 + b"\n")
            with suppress(BlockingIOError):
                while True:
                    os.write(filler, b"\n")
        finally:
            os.close(filler)

    def resume(self) -> None:
        """Read on."""
        self._reading.set()

    def close(self) -> None:
        """End; what was read stays."""
        os.close(self.theirs)
        self._reading.set()
        self._thread.join(10)
        os.close(self._ours)

    def _read(self) -> None:
        # The end of a terminal is an error.
        with suppress(OSError):
            while True:
                if not self._reading.is_set():
                    self._paused.set()
                    self._reading.wait()
                data = os.read(self._ours, 65536)
                if not data:
                    break
                self._said += data
                if self._copy is not None:
                    self._copy.write(data)
        self._paused.set()


@contextmanager
def pipe_reader(copy: BinaryIO | None = None) -> Iterator[LogReader]:
    """Yield the reader of a small pipe."""
    ours, theirs = os.pipe()
    fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, SMALL)
    yield from _closed(LogReader(ours, theirs, copy))


@contextmanager
def terminal_reader() -> Iterator[LogReader]:
    """Yield a terminal; paused, it is as after Ctrl-S."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield from _closed(LogReader(ours, theirs))


def _closed(reader: LogReader) -> Iterator[LogReader]:
    try:
        yield reader
    finally:
        reader.close()
