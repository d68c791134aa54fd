"""run: what the relay is there for, and does when no command is named."""

from __future__ import annotations

from relay import runner
from relay.cli.session import opened
from relay.settings import RelaySettings
from service.contract import process
from service.contract.stderr import open_log


def run() -> int:
    """Move events from the outbox until told to stop (the default)."""
    open_log("relay")
    settings = RelaySettings.load()
    with opened(settings) as database:
        process.introduce(database)
        return process.run(runner.run(settings, database))
