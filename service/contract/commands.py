"""A process's commands, as Typer reads them from the command line."""

from __future__ import annotations

import sys

import typer


def program(what: str) -> typer.Typer:
    """Return a process's commands, none yet; `what` is what its help says first."""
    return typer.Typer(help=what, add_completion=False, pretty_exceptions_enable=False)


def carried_out(app: typer.Typer) -> object:
    """Run the command that the process's arguments name; return what it returns.

    Raises KeyboardInterrupt for a prompt that somebody left, else what the command raises; the
    error of a wrong usage has a `show` method and an `exit_code`.
    """
    # Python keeps each byte that is not UTF-8 as half a surrogate pair.
    if any("\ud800" <= each <= "\udfff" for each in "".join(sys.argv[1:])):
        raise typer.BadParameter("Arguments must be UTF-8.")
    try:
        return app(standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
