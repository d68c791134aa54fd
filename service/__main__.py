"""The service's command line: `python -m service`.

Data goes to stdout, words to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 69 database
unreachable, 78 bad configuration, 130 interrupted.
"""

from __future__ import annotations

from service.cli import app
from service.contract.process import command_line

if __name__ == "__main__":
    command_line(app)
