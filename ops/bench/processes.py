"""Processes under measurement: started here, ended here, by their own ids and no other way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from tempfile import NamedTemporaryFile

from ops import smoke
from ops.bench.errors import BenchError
from ops.bench.stage import Stage

START = 60.0
"""Seconds a process may take until it is ready, on a machine that does other things as well."""

STOP = 20.0
"""Seconds a process may take to end when asked, before it is killed."""

LOOK = 0.05


class Process:
    """A running `python -m MODULE`; what it says on stderr is in `log`."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = " ".join(argv)
        self.log = log
        self.environment = environment
        with log.open("wb") as said:
            # A session of its own: a Ctrl-C at the terminal is ours to pass on.
            self._child = subprocess.Popen(
                [sys.executable, "-m", *argv],
                cwd=smoke.REPOSITORY,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        """Where it serves, when it does."""
        return f"http://127.0.0.1:{self.environment['PORT']}"

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._child.poll() is not None

    def wait_until(self, look: Callable[[], bool], what: str, within: float) -> None:
        """Wait for something. Raises BenchError when the process ends first, or time is over."""
        deadline = time.monotonic() + within
        while not look():
            if self.ended:
                raise self.failed(f"ended with exit code {self._child.returncode} before {what}")
            if time.monotonic() > deadline:
                raise self.failed(f"{within:g} s have not been enough: {what}")
            time.sleep(LOOK)

    def wait(self, within: float) -> int:
        """Wait for its end; return the most memory it was seen with, in bytes.

        Raises BenchError when it fails or takes too long.
        """
        most = 0
        deadline = time.monotonic() + within
        while not self.ended:
            most = max(most, self.memory())
            if time.monotonic() > deadline:
                raise self.failed(f"has not ended after {within:g} s")
            time.sleep(LOOK)
        if self._child.returncode != 0:
            raise self.failed(f"ended with exit code {self._child.returncode}")
        return most

    def memory(self) -> int:
        """Return its resident memory in bytes: the most it had where the kernel tells (Linux)."""
        try:
            status = Path(f"/proc/{self._child.pid}/status").read_text()
        except OSError:
            asked = ["ps", "-o", "rss=", "-p", str(self._child.pid)]
            told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        else:
            told = status.partition("VmHWM:")[2].partition("kB")[0]
        return int(told) * 1024 if told.strip() else 0

    def forget_memory(self) -> None:
        """Let `memory` begin anew, where the kernel can."""
        with suppress(OSError):
            Path(f"/proc/{self._child.pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        """Ask it to end, and kill it when it does not."""
        if self.ended:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def failed(self, what: str) -> BenchError:
        """Return the error that says so, with the end of the log."""
        tail = "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-10:])
        return BenchError(f"`python -m {self.name}`: {what}.\n{tail}".rstrip())


@contextmanager
def running(stage: Stage, *argv: str, **environment: str) -> Iterator[Process]:
    """Run `python -m ARGV…`; it is ended whatever happens inside."""
    with NamedTemporaryFile(dir=stage.directory, suffix=".log") as log:
        process = Process(argv, stage.environment(**environment), Path(log.name))
        try:
            yield process
        finally:
            process.stop()


@contextmanager
def serving(stage: Stage, *argv: str, **environment: str) -> Iterator[Process]:
    """Run a server and wait until it answers /readyz; the bare route answers it like any code."""
    with running(stage, *argv, **environment) as process:
        ready = (HTTPStatus.OK, HTTPStatus.FOUND)

        def answers() -> bool:
            return any(smoke.answers(f"{process.url}/readyz", status) for status in ready)

        process.wait_until(answers, "it was ready", START)
        yield process
