"""Modules: their size, what they read, and what importing them does."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.source import dotted, modules, text, tree
from tests.support.processes import REPOSITORY

SOFT, HARD = 200, 400

READS_THE_ENVIRONMENT = {
    "service/contract/announcement.py": "who systemd wants to be told, and whether we are to tell",
    "service/contract/stderr.py": "LOG_FORMAT, for what is logged before the settings are read",
    "service/contract/health.py": "a check that loads no settings",
    "service/contract/settings.py": "NAME_FILE",
    "service/contract/postgres.py": "libpq's own variables",
    "service/contract/process.py": "the supervisor's lifeline",
    "service/child_process.py": "a child's environment is ours and more",
    "service/worker.py": "what a worker has from its supervisor",
}
"""Everything else is told by the settings object."""


@pytest.mark.parametrize("path", modules(), ids=str)
def test_no_module_is_long(path: Path) -> None:
    """No module has more than 400 lines."""
    assert len(text(path).splitlines()) <= HARD


def test_long_modules_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    """Modules beyond the soft limit of 200 lines are named, and are the exception."""
    long = {
        str(path): lines for path in modules() if (lines := len(text(path).splitlines())) > SOFT
    }
    with capsys.disabled():
        for path, lines in long.items():
            print(f"\n{path}: {lines} lines, soft limit {SOFT}")
    assert len(long) <= len(modules()) / 20


@pytest.mark.parametrize("path", modules(), ids=str)
def test_every_module_says_what_it_is(path: Path) -> None:
    """Every module begins with a docstring."""
    assert ast.get_docstring(tree(path))


def test_who_reads_the_environment() -> None:
    """os.environ and os.getenv occur only in the modules listed here, and in all of them."""
    found = {
        str(path)
        for path in modules()
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {alias.name for alias in node.names} & {"environ", "environb", "getenv"}
        )
    }
    assert set(READS_THE_ENVIRONMENT) == found


def test_settings_are_built_at_the_rim() -> None:
    """The environment becomes settings in the command lines, and in no other module."""
    found = {
        str(path)
        for path in modules()
        if "Settings.load()" in text(path) and "/cli/" not in str(path)
    }
    assert set() == found


WATCH = """
import json, os, sys

opened, read = [], []

def strangers_look(event, arguments):
    # croniter, which PgQueuer imports, asks `file` whether this Python has 32 bits.
    if event == "subprocess.Popen":
        return list(arguments[1][:2]) == ["file", "-b"]
    return event == "os.posix_spawn" and "file" in str(arguments[0])

def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.fork", "os.exec", "os.posix_spawn")):
        # A socket that is made but neither bound nor connected asks what the machine can do.
        if event not in {"socket.__new__", "socket.gethostname"} and not strangers_look(
            event, arguments
        ):
            opened.append(f"{event} {arguments!r}")
    elif event == "open":
        path, mode, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and str(path) != "/dev/null":
            opened.append(f"{event} {arguments!r}")
    elif event in {"os.mkdir", "os.remove", "os.rename", "os.symlink", "os.putenv"}:
        opened.append(f"{event} {arguments!r}")

class Watched(type(os.environ)):
    def __getitem__(self, key):
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith("<frozen"):
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(sys.argv[1]):
            read.append(f"{key} by {frame.f_code.co_filename}")
        return super().__getitem__(key)

os.environ.__class__ = Watched
sys.addaudithook(watch)
for name in json.loads(sys.argv[2]):
    __import__(name)
print(json.dumps([opened, read]))
"""


@pytest.mark.process
def test_importing_opens_nothing(tmp_path: Path) -> None:
    """Importing every module, in an empty environment, opens no socket, writes no file, starts no
    process and reads no setting.
    """
    names = [dotted(path) for path in modules() if path.name not in {"env.py", "__main__.py"}]
    names = [name for name in names if not name.startswith("migrations.versions")]
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCH, f"{REPOSITORY}/", json.dumps(names)],
        env={"PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    opened, read = json.loads(done.stdout)
    ours = [each for each in read if ".venv" not in each and "site-packages" not in each]
    assert [] == opened
    assert [] == ours
    assert [] == list(tmp_path.iterdir())


NO_PART_OF_A_START = {"alembic", "jinja2", "rich", "sqlalchemy", "typer"}
"""They migrate, make a page, write for a person on a terminal, read command lines."""


@pytest.mark.process
@pytest.mark.parametrize(
    "argv, command",
    [
        (["service"], "service.cli.serve"),
        (["service", "serve"], "service.cli.serve"),
        (["relay"], "relay.cli.run"),
        (["relay", "run"], "relay.cli.run"),
    ],
    ids=" ".join,
)
def test_a_start_loads_what_it_needs(argv: list[str], command: str) -> None:
    """Who only serves or relays does not load what only other commands and rare requests need."""
    ask = (
        f"import sys; sys.argv[1:] = {argv[1:]};"
        f"from {argv[0]}.__main__ import command; print(command().__module__, *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    asked, *loaded = done.stdout.split()
    assert command == asked
    assert {"migrations"} == set(loaded) & {*NO_PART_OF_A_START, "migrations"}


@pytest.mark.process
@pytest.mark.parametrize("package", ["service", "relay"])
def test_other_commands_are_typers(package: str) -> None:
    """Whatever is not plainly the start is for the whole command line to read."""
    for argv in (["--help"], ["serve", "--help"], ["status"]):
        ask = (
            f"import sys; sys.argv[1:] = {argv};"
            f"from {package}.__main__ import command; print(command().__module__)"
        )
        done = subprocess.run(
            [sys.executable, "-c", ask], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        assert f"{package}.cli.commands" == done.stdout.strip()
