"""Writes the log from a thread of its own: whoever logs never waits for whoever reads."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = 10_000
BYTES = 4 * 1024 * 1024
"""What the queue holds, at most; lines beyond it are dropped and counted."""

ATOMIC = 4096
"""Bytes written at once: the kernel does not mix so many (PIPE_BUF) with another process's."""

RETRY_SECONDS = 1.0
"""Between two tries to write to a non-blocking descriptor, and between two reports of lost lines."""

CLOSE_SECONDS = 1.0
"""How long the end of a process waits for its queue to be written."""

Periodic = Callable[[float], tuple[Iterable[bytes], float | None]]
"""Given the monotonic time, returns the lines that are due and the seconds until the next are."""


class LogWriter:
    """A bounded queue of lines, and the thread that writes them to a descriptor.

    The thread is a daemon: blocked in a write it does not keep the process from ending.
    """

    def __init__(
        self,
        descriptor: int,
        dropped_line: Callable[[int], bytes],
        periodic: Periodic = lambda _: ((), None),
    ) -> None:
        """`dropped_line` returns the line that says how many lines were dropped."""
        self.dropped = 0
        """Lines that were not written: the queue was full, or the descriptor refused them."""
        self._descriptor = descriptor
        self._dropped_line = dropped_line
        self._periodic = periodic
        self._reported = 0
        self._report_at = 0.0
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._torn = False
        # Reentrant: a finalizer that logs may run while the same thread is inside.
        self._changed = threading.Condition(threading.RLock())
        self._waiting = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, line: bytes) -> None:
        """Queue one line, its newline included; drop it when the queue is full. Never waits."""
        with self._changed:
            size = self._bytes + len(line)
            if self._closed or len(self._queue) >= LINES or size > BYTES:
                self.dropped += 1
                return
            self._queue.append(line)
            self._bytes = size
            if self._thread is None:
                self._start()
            elif self._waiting:
                self._changed.notify()

    def close(self, within: float = CLOSE_SECONDS) -> None:
        """Write what is queued, for so many seconds at most; later lines are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(within)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        with _signals_blocked():
            self._thread.start()

    def _run(self) -> None:
        while chunk := self._next():
            written = self._write(b"".join(chunk))
            if not written:
                with self._changed:
                    self.dropped += len(chunk)
            elif self.dropped > self._reported and monotonic() >= self._report_at:
                self._report()

    def _next(self) -> list[bytes]:
        """Wait for lines; return the first of them, or nothing when the log is closed."""
        while True:
            lines, pause = self._periodic(monotonic())
            with self._changed:
                self._queue.extend(lines)
                if self._queue:
                    return self._take()
                if self._closed:
                    return []
                self._waiting = True
                self._changed.wait(pause)
                self._waiting = False

    def _take(self) -> list[bytes]:
        """Take whole lines of at most ATOMIC bytes together; one at least."""
        chunk = [self._queue.popleft()]
        size = len(chunk[0])
        while self._queue and size + len(self._queue[0]) <= ATOMIC:
            chunk.append(self._queue.popleft())
            size += len(chunk[-1])
        self._bytes = max(0, self._bytes - size)
        return chunk

    def _report(self) -> None:
        dropped = self.dropped
        if self._write(self._dropped_line(dropped - self._reported)):
            self._reported = dropped
            self._report_at = monotonic() + RETRY_SECONDS

    def _write(self, data: bytes) -> bool:
        """Write all of it; false when the descriptor refuses."""
        if self._torn:
            # The rest of a line was refused; what follows must not become part of it.
            data = b"\n" + data
        view = memoryview(data)
        try:
            while view:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:
                    # Another process made the file that we share non-blocking.
                    poll = select.poll()
                    poll.register(self._descriptor, select.POLLOUT)
                    poll.poll(RETRY_SECONDS * 1000)
        except OSError:
            self._torn = self._torn or 0 < len(view) < len(data)
            return False
        self._torn = False
        return True


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """A thread that is started inside gets no signals: they are for the main thread to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
