"""The relay's command line, inside the test's process."""

from __future__ import annotations

import pytest

from service.contract.postgres import Database
from tests.support.commands import Run, runner


@pytest.fixture
def run(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `python -m relay ARGV…` on the test's database."""
    return runner(monkeypatch, capsys)(database)
