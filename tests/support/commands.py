"""A command line, inside the test's process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import typer

from relay.cli.commands import app
from service.contract.commands import carried_out
from service.contract.postgres import Database
from service.contract.process import command_line
from tests.support.processes import url_of


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has said, and how it ended."""

    code: int
    data: str
    words: str


Run = Callable[..., Done]


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
            with pytest.raises(SystemExit) as ended:
                command_line(lambda: carried_out(program))
            said = capsys.readouterr()
            assert isinstance(ended.value.code, int)
            return Done(ended.value.code, said.out, said.err)

        return run

    return on
