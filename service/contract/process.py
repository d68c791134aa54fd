"""How both processes end: on which signals, with which exit codes, in which words."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import NoReturn, TypeVar

import psycopg

try:
    from uvloop import new_event_loop as _loop_factory
except ImportError:  # there is none for Windows
    from asyncio import new_event_loop as _loop_factory  # type: ignore[assignment]

from service.contract.embedded import EmbeddedPostgresError
from service.contract.fitness import DurabilityError, EncodingError, SchemaError
from service.contract.postgres import Database
from service.contract.requirements import RequirementError
from service.contract.settings import ConfigurationError
from service.contract.stderr import say as say  # noqa: PLC0414 - commands speak and exit by one module

OK, FAILED, USAGE, UNREACHABLE, MISCONFIGURED, INTERRUPTED = 0, 1, 2, 69, 78, 130
"""Exit codes; 69 and 78 are EX_UNAVAILABLE and EX_CONFIG of sysexits.h, 130 is a shell's SIGINT."""

UNFIT = (ConfigurationError, SchemaError, RequirementError, EncodingError, DurabilityError)
"""What an operator has to fix: exit code 78."""

LIFELINE = "EVERYCLICK_LIFELINE"
"""Names the file descriptor of a pipe whose other end a supervisor holds: its end is our end."""

DYING = 0.3
"""Seconds that a killed supervisor is given to be gone altogether."""

T = TypeVar("T")


def run(main: Coroutine[None, None, T]) -> T:
    """Run `main` to its end on the fastest event loop there is."""
    with asyncio.Runner(loop_factory=_loop_factory) as runner:
        return runner.run(main)


def introduce(database: Database) -> None:
    """Tell which database it is and how to look inside, unless a supervisor has told already."""
    if LIFELINE not in os.environ:
        say(f"Database: {database.where}\nLook inside: {database.psql}")


@asynccontextmanager
async def stopping(again: asyncio.Event | None = None) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set by SIGTERM, SIGHUP, SIGINT and by the end of the supervisor.

    Where `again` is given SIGHUP sets that instead, unless it tells of a terminal that closed.
    Further SIGTERMs change nothing; a second SIGINT cancels the current task at once. Once asked
    to stop, the process hears neither any more: what is left to do must not be cut short.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    current = asyncio.current_task()

    def interrupt() -> None:
        if stop.is_set() and current is not None:
            current.cancel()
        stop.set()

    terminal = _has_terminal()

    def hung_up() -> None:
        # The kernel takes the terminal away before it tells.
        closed = terminal and not _has_terminal()
        (stop if again is None or closed else again).set()

    # Not the loop's own handlers: taking those away makes the signal deadly for a moment.
    before = {
        number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        for number in _asked_to_end()
    }
    if signal.SIGHUP in before:
        signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(hung_up))
    before[signal.SIGINT] = signal.signal(
        signal.SIGINT, lambda *_: loop.call_soon_threadsafe(interrupt)
    )
    lifeline = os.environ.get(LIFELINE)

    def orphaned(descriptor: int) -> None:
        # Nothing is ever written: readable means the other end is going. Not gone: a process that
        # is killed lets go of its files one by one, and the lock that makes it a user of the
        # embedded Postgres may be the last. Stopping at once, nobody would be the last user.
        loop.remove_reader(descriptor)
        loop.call_later(DYING, stop.set)

    if lifeline is not None:
        loop.add_reader(int(lifeline), orphaned, int(lifeline))
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, _deaf if stop.is_set() else handler)
        if lifeline is not None:
            loop.remove_reader(int(lifeline))


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _deaf(*_: object) -> None:
    """Stands where SIG_IGN would: children started meanwhile would inherit that."""


def _asked_to_end() -> list[signal.Signals]:
    # A terminal that closes sends SIGHUP; nohup means that it is to be ignored.
    return [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]


def _leave(number: int, _: object) -> NoReturn:
    """End in order, by the way that every `with` and `finally` is left."""
    sys.exit(128 + number)


def _stay_deaf() -> None:
    # The interpreter takes its handlers away while it ends; what is ignored stays ignored.
    sys.unraisablehook = partial(_unraised, sys.unraisablehook)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is _deaf:
            # Blocked first: one that arrived in between would have no handler to go to.
            signal.pthread_sigmask(signal.SIG_BLOCK, [number])
            signal.signal(number, signal.SIG_IGN)


def _let_go_of_stderr() -> None:
    # What a full disk has not taken would be tried once more at the very end, and change the code.
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _unraised(
    report: Callable[[sys.UnraisableHookArgs], object], unraisable: sys.UnraisableHookArgs
) -> None:
    # Another thread may have been given a signal just before: Python tells that nobody took it.
    told = str(unraisable.exc_value)
    if not (isinstance(unraisable.exc_value, OSError) and told.endswith("due to race condition")):
        report(unraisable)


def command_line(main: Callable[[], object]) -> NoReturn:
    """Run `main` and exit the process, with a plain sentence and a code for every failure."""
    for number in _asked_to_end():
        # Even before there is a loop to stop: the embedded Postgres must not be left behind.
        signal.signal(number, _leave)
    try:
        result = main()
    except UNFIT as error:
        say(f"{error}", "error")
        code = MISCONFIGURED
    except EmbeddedPostgresError as error:
        say(f"{error}", "error")
        code = UNREACHABLE
    except psycopg.OperationalError as error:
        say(f"The database cannot be reached: {str(error).strip()}", "error")
        code = UNREACHABLE
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`… | head`); there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except Exception as error:
        # Click's own usage errors know how to show themselves, whichever Click Typer carries.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        code = int(getattr(error, "exit_code", USAGE))
    else:
        code = result if isinstance(result, int) else OK
    _stay_deaf()
    _let_go_of_stderr()
    sys.exit(code)
