"""How both processes end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import typer

from service.contract.embedded import EmbeddedPostgresError
from service.contract.fitness import DurabilityError, SchemaError
from service.contract.postgres import Database
from service.contract.process import LIFELINE, command_line, introduce, run, say, stopping
from service.contract.settings import ConfigurationError

NUMBERS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@pytest.fixture(autouse=True)
def _no_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody supervises the test."""
    monkeypatch.delenv(LIFELINE, raising=False)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """What a test does to the signals ends with it."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
async def test_signals_ask_to_stop(number: signal.Signals) -> None:
    """SIGTERM, SIGHUP and SIGINT set the event; from then on none changes anything."""
    async with stopping() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 10)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0)


async def test_hanging_up_may_mean_again() -> None:
    """Where it is wanted SIGHUP asks to begin anew; SIGTERM still asks to stop."""
    again = asyncio.Event()
    async with stopping(again) as stop:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.wait_for(again.wait(), 10)
            assert not stop.is_set()
            again.clear()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 10)
        assert not again.is_set()


ON_A_TERMINAL = """
import asyncio, fcntl, os, sys, termios
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
from service.contract.process import stopping
async def main():
    async with stopping(asyncio.Event()) as stop:
        os.write(int(sys.argv[1]), b"ready")
        await stop.wait()
asyncio.run(main())
"""


@pytest.mark.process
def test_a_terminal_that_closes_asks_to_stop() -> None:
    """SIGHUP with which the kernel tells that the terminal has gone is no wish to begin anew."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, str(theirs)],
        pass_fds=[theirs],
        start_new_session=True,
    ) as process:
        try:
            os.close(theirs)
            assert b"ready" == os.read(ours, 10)
            os.close(ours)
            assert 0 == process.wait(20)
        finally:
            process.kill()


async def test_unasked_the_signals_are_as_before() -> None:
    """Work that ends by itself leaves the signals as it found them."""
    before = [signal.getsignal(number) for number in NUMBERS]
    async with stopping():
        assert before != [signal.getsignal(number) for number in NUMBERS]
    assert before == [signal.getsignal(number) for number in NUMBERS]


async def test_a_second_interrupt_cancels() -> None:
    """Ctrl-C twice ends the work at once, whatever it waits for."""

    async def work() -> None:
        async with stopping() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            await stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)


async def test_the_supervisors_end_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the other end of the lifeline closes the event is set, without a signal."""
    ours, theirs = os.pipe()
    monkeypatch.setenv(LIFELINE, str(ours))
    try:
        async with stopping() as stop:
            await asyncio.sleep(0)
            assert not stop.is_set()
            os.close(theirs)
            await asyncio.wait_for(stop.wait(), 10)
    finally:
        os.close(ours)


@pytest.mark.parametrize(
    "error, code, words",
    [
        (ConfigurationError(["PORT=x: is no number.", "HOST: unknown."]), 78, "HOST: unknown."),
        (SchemaError(None), 78, "python -m service migrate"),
        (DurabilityError(["fsync is off."]), 78, "ACCEPT_DATA_LOSS"),
        (EmbeddedPostgresError("initdb failed"), 69, "initdb failed"),
        (psycopg.OperationalError("connection refused"), 69, "connection refused"),
        (KeyboardInterrupt(), 130, ""),
        (asyncio.CancelledError(), 130, ""),
        (typer.BadParameter("say which"), 2, "say which"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_codes(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, words: str
) -> None:
    """Every expected failure is a sentence on stderr and a code of its own; stdout stays empty."""

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        command_line(main)
    assert code == ended.value.code
    said = capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err
    assert "" == said.out


@pytest.mark.parametrize("result, code", [(None, 0), (0, 0), (1, 1), (78, 78), ("words", 0)])
def test_results_are_exit_codes(result: object, code: int) -> None:
    """A command's number is the exit code, anything else means 0."""
    with pytest.raises(SystemExit) as ended:
        command_line(lambda: result)
    assert code == ended.value.code


def test_a_bug_is_not_hidden() -> None:
    """An error nobody expected keeps its traceback."""
    with pytest.raises(ZeroDivisionError):
        command_line(lambda: 1 // 0)


def test_a_closed_pipe_is_no_news() -> None:
    """When the reader of our output goes away (`… | head`), we end quietly."""
    program = (
        "from service.contract.process import command_line\n"
        "def main():\n"
        "    for n in range(100_000): print(n)\n"
        "command_line(main)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"" == process.stderr.read()
    assert 1 == process.returncode


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a /dev/full")
def test_a_full_disk_is_no_news_either() -> None:
    """Words that nobody can keep change neither the course nor the exit code."""
    program = """
from service.contract.process import command_line, say
def speak() -> int:
    say("hello")
    print("done")
    return 0
command_line(speak)
"""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=full,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
    assert (0, b"done\n") == (done.returncode, done.stdout)


def test_introduction(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process says which database it is; below a supervisor, which has said so, it does not."""
    database = Database("url", "", "Postgres at h:5432, database d", "psql here")
    introduce(database)
    said = capsys.readouterr()
    assert ("", "Database: Postgres at h:5432, database d\nLook inside: psql here\n") == said
    monkeypatch.setenv(LIFELINE, "3")
    introduce(database)
    assert ("", "") == capsys.readouterr()


def test_words_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is for data."""
    say("hello")
    assert ("", "hello\n") == capsys.readouterr()


def test_run_returns_the_result() -> None:
    """A coroutine's result comes out, its error too."""

    async def seven() -> int:
        return 7

    async def fail() -> None:
        raise LookupError

    assert 7 == run(seven())
    with pytest.raises(LookupError):
        run(fail())
