"""The relay's command line, inside the test's process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from relay.cli import app
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


@pytest.fixture
def run(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `python -m relay ARGV…` on the test's database."""
    monkeypatch.setenv("DATABASE_URL", url_of(database))

    def run(*argv: str) -> Done:
        monkeypatch.setattr("sys.argv", ["relay", *argv])
        with pytest.raises(SystemExit) as ended:
            command_line(app)
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, said.out, said.err)

    return run
