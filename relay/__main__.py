"""The relay's command line: `python -m relay`.

Data goes to stdout, words to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 69 database
unreachable, 78 bad configuration, 130 interrupted.

Who only runs does not load what reads command lines, nor the other commands: a relay that was
killed is back so much earlier. A health check, which runs every few seconds, loads nothing else.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections.abc import Callable

from service.contract.loading import loading


def command() -> Callable[[], object]:
    """Return what the arguments ask for; without any, to run."""
    if sys.argv[1:] in ([], ["run"]):
        from relay.cli.run import run

        return run
    from relay.cli.commands import main

    return main


if __name__ == "__main__":
    if sys.argv[1:] in (["health"], ["health", "--live"]):
        from relay.cli.health import health

        sys.exit(health(live="--live" in sys.argv))
    with loading():
        from service.contract.process import command_line

        asked = command()
    command_line(asked)
