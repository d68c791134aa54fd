"""Commands of `python -m service`, one module per noun."""

from __future__ import annotations

import typer

from service.cli import keys, links, process, setup, tokens, users

app = typer.Typer(
    help="Short links whose clicks are never lost. Without a command: serve.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback(invoke_without_command=True)(process.default)
app.command()(process.serve)
app.command()(process.migrate)
app.command()(process.check)
app.command()(process.health)
app.command()(setup.setup)
app.command()(tokens.token)
app.add_typer(users.app, name="user")
app.add_typer(links.app, name="link")
app.add_typer(keys.app, name="key")
