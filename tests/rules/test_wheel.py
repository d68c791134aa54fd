"""What is shipped."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from service import __version__
from tests.rules.source import PACKAGES
from tests.support.processes import REPOSITORY


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of a wheel built from this checkout, without isolation and without a network."""
    target = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    (wheel,) = target.glob("everyclick-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def tracked(*suffixes: str) -> set[str]:
    """The files of our packages with these endings."""
    return {
        str(path.relative_to(REPOSITORY))
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.suffix in suffixes and "__pycache__" not in path.parts
    }


def test_one_version() -> None:
    """The package, the code and the image are of one version."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    compose = (REPOSITORY / "compose.yaml").read_text("utf-8")
    assert project["version"] == __version__
    assert f"image: everyclick:{__version__}\n" in compose


@pytest.mark.process
def test_all_of_it_is_shipped(shipped: set[str]) -> None:
    """Every module, every SQL file and every revision is in the wheel."""
    wanted = tracked(".py", ".sql", ".html", ".css")
    assert any(name.startswith("relay/sql/") for name in wanted)
    assert any(name.startswith("service/contract/sql/") for name in wanted)
    assert any(name.startswith("migrations/versions/") for name in wanted)
    assert set() == wanted - shipped


@pytest.mark.process
def test_whatever_else_a_package_holds_is_shipped(shipped: set[str]) -> None:
    """Templates, pages and other data files of the packages are in the wheel too."""
    every = {
        str(path.relative_to(REPOSITORY))
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert set() == every - shipped


@pytest.mark.process
def test_nothing_else_is_shipped(shipped: set[str]) -> None:
    """No test, no operator's script, no data comes along."""
    tops = {Path(name).parts[0] for name in shipped}
    assert {"everyclick-"} == {top[:11] for top in tops - set(PACKAGES)}
