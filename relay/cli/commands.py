"""All commands of `python -m relay`."""

from __future__ import annotations

from relay.cli import dead_letters, process, rollups
from relay.cli.health import health
from relay.cli.run import run
from service.contract.commands import carried_out, program

app = program("Moves clicks from the outbox to where they are counted. Without a command: run.")
app.command()(run)
app.command()(process.drain)
app.command()(process.status)
app.command()(health)
app.command()(rollups.verify)
app.command()(rollups.rebuild)
app.add_typer(dead_letters.app, name="dead-letters")


def main() -> object:
    """Carry out the command that is named."""
    return carried_out(app)
