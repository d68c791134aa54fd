"""All commands of `python -m service`."""

from __future__ import annotations

from service.cli import keys, links, process, setup, tokens, users
from service.cli.health import health
from service.cli.serve import serve
from service.contract.commands import carried_out, program

app = program("Short links whose clicks are never lost. Without a command: serve.")
app.command()(serve)
app.command()(process.migrate)
app.command()(process.check)
app.command()(health)
app.command()(setup.setup)
app.command()(tokens.token)
app.add_typer(users.app, name="user")
app.add_typer(links.app, name="link")
app.add_typer(keys.app, name="key")


def main() -> object:
    """Carry out the command that is named."""
    return carried_out(app)
