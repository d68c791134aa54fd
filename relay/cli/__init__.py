"""Commands of `python -m relay`, one module per noun."""

from __future__ import annotations

import typer

from relay.cli import dead_letters, process, rollups

app = typer.Typer(
    help="Moves clicks from the outbox to where they are counted. Without a command: run.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback(invoke_without_command=True)(process.default)
app.command()(process.run)
app.command()(process.drain)
app.command()(process.status)
app.command()(rollups.verify)
app.command()(rollups.rebuild)
app.add_typer(dead_letters.app, name="dead-letters")
