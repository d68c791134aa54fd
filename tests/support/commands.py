"""A command line, inside the test's process."""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

import pytest
import typer

from relay.cli.commands import app
from service.contract.commands import carried_out
from service.contract.postgres import Database
from service.contract.process import command_line
from service.contract.stderr import Stderr
from tests.support.processes import url_of


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has said, and how it ended."""

    code: int
    data: str
    words: str


Run = Callable[..., Done]


@contextmanager
def file_as_stderr() -> Iterator[TextIO]:
    """Stderr as a process has it, with a descriptor; what a log takes over is given back."""
    before = sys.stderr, sys.excepthook, sys.unraisablehook, threading.excepthook
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with tempfile.TemporaryFile("w+", encoding="utf-8") as words:
        sys.stderr = words
        try:
            yield words
        finally:
            if isinstance(sys.stderr, Stderr):
                sys.stderr.log.close()
            sys.stderr, sys.excepthook, sys.unraisablehook, threading.excepthook = before
            root.handlers[:] = handlers
            root.setLevel(level)
            logging.captureWarnings(False)


def runner(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: typer.Typer = app,
) -> Callable[[Database], Run]:
    """Return what makes, for a database, what runs the program (by default the relay) on it."""

    def on(database: Database) -> Run:
        # Once: a test may point the command somewhere else afterwards.
        monkeypatch.setenv("DATABASE_URL", url_of(database))

        def run(*argv: str) -> Done:
            monkeypatch.setattr("sys.argv", ["everyclick", *argv])
            with file_as_stderr() as words:
                with pytest.raises(SystemExit) as ended:
                    command_line(lambda: carried_out(program))
                if isinstance(sys.stderr, Stderr):
                    sys.stderr.log.close()
                words.flush()
                words.seek(0)
                said = words.read()
            assert isinstance(ended.value.code, int)
            return Done(ended.value.code, capsys.readouterr().out, said)

        return run

    return on
