"""One pass through the real thing: what a newcomer does in the first minute, by itself.

python -m ops.smoke

Starts `python -m ops.run` on free ports in a temporary DATA_DIR, makes a link, clicks it, waits for
the statistics, verifies the rollups, presses Ctrl-C. Exit code 1, with a sentence, when a step fails.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from service.contract.embedded.processes import Processes

REPOSITORY = Path(__file__).parents[1]

PORTS = ("PORT", "METRICS_PORT", "RELAY_METRICS_PORT")
CLICKS = 20
STEP = 20.0
"""Seconds a step may take: far more than it needs, so that a slow machine is no failure."""
LOOK = 0.05

OWNER = "smoke@example.com"
TARGET = "https://example.com/"


class StepFailed(Exception):
    """A step did not come out as it must; says so in a plain sentence."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the redirect is what is asked for."""

    def redirect_request(self, *_: object) -> None:
        """Return nothing to follow."""


def main() -> int:
    """Walk through all steps. Returns an exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="everyclick-smoke-") as directory:
        data_dir = Path(directory) / "data"
        log = Path(directory) / "log"
        try:
            walk(data_dir, log)
        except StepFailed as error:
            if log.exists():
                sys.stderr.write(log.read_text("utf-8", "replace"))
            sys.stderr.write(f"smoke: {error}\n")
            return 1
    print(f"{time.monotonic() - began:6.2f} s  in all")
    return 0


def walk(data_dir: Path, log: Path) -> None:
    """Take all steps. Raises StepFailed."""
    env = environment(data_dir)
    url = f"http://127.0.0.1:{env['PORT']}"
    with started(env, log) as process:
        with step("ops.run is up"):
            until(process, lambda: answers(f"{url}/readyz", 200), "The service is not ready.")
        with step("an account, a token, a link"):
            command(env, "service", "user", "add", OWNER, "--password-stdin")
            token = command(env, "service", "token", OWNER)
            link = json.loads(
                command(env, "service", "link", "add", TARGET, "--owner", OWNER, "--json")
            )
        with step(f"{CLICKS} clicks, each answered 302"):
            for _ in range(CLICKS):
                click(link["short_url"])
        with step(f"/stats says {CLICKS}"):
            stats = f"{url}/stats/{link['code']}"
            wrong = f"The total is not {CLICKS}."
            until(process, lambda: total(stats, token) == CLICKS, wrong)
        with step("rollups equal clicks"):
            command(env, "relay", "verify")
        with step("Ctrl-C ends all of it"):
            stop(process, data_dir, [int(env[name]) for name in PORTS])


def environment(data_dir: Path) -> dict[str, str]:
    """Return the environment: free ports, a DATA_DIR of its own, no database of anybody's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "DATABASE_URL", "BASE_URL", "SECRET_KEY", "RELAY_"))
    }
    ports = zip(PORTS, free_ports(len(PORTS)), strict=True)
    return {
        **kept,
        **{name: str(port) for name, port in ports},
        "DATA_DIR": str(data_dir),
        "HOST": "127.0.0.1",
        "WEB_CONCURRENCY": "1",
        "LOG_FORMAT": "json",
    }


def free_ports(number: int) -> list[int]:
    """Return ports nobody listens on, below the range outgoing connections take theirs from."""
    chance = secrets.SystemRandom()
    found: list[int] = []
    while len(found) < number:
        port = chance.randrange(15_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


@contextmanager
def started(env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m ops.run` in a session of its own; it is ended whatever happens inside."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.run"],
            cwd=REPOSITORY,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STEP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the step's name and how long it took, once it is done."""
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:6.2f} s  {name}", flush=True)


def until(process: subprocess.Popen[bytes], look: Callable[[], bool], otherwise: str) -> None:
    """Wait for `look` to be true. Raises StepFailed after STEP, or when the process ends."""
    deadline = time.monotonic() + STEP
    while not look():
        if process.poll() is not None:
            raise StepFailed(f"ops.run ended with exit code {process.returncode}. {otherwise}")
        if time.monotonic() > deadline:
            raise StepFailed(f"{otherwise} It has been {STEP:g} s.")
        time.sleep(LOOK)


def command(env: Mapping[str, str], *argv: str) -> str:
    """Run `python -m ARGV…`; return what it printed. Raises StepFailed."""
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=REPOSITORY,
        env=dict(env),
        input=secrets.token_urlsafe(24) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StepFailed(f"`{' '.join(argv)}` exited {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def answers(url: str, status: int) -> bool:
    """Tell whether a GET is answered with this status."""
    try:
        return get(url)[0] == status
    except OSError:
        return False


def click(url: str) -> None:
    """Click a short link. Raises StepFailed unless it leads to TARGET."""
    status, location, _ = get(url)
    if (status, location) != (HTTPStatus.FOUND, TARGET):
        raise StepFailed(f"{url} answered {status} with Location {location}, not 302 to {TARGET}.")


def total(url: str, token: str) -> int:
    """Return the total that the statistics tell. Raises StepFailed when they do not answer."""
    status, _, body = get(url, token)
    if status != HTTPStatus.OK:
        raise StepFailed(f"{url} answered {status}: {body.decode(errors='replace')}")
    return int(json.loads(body)["total"])


def get(url: str, token: str | None = None) -> tuple[int, str | None, bytes]:
    """Return status, Location and body of the answer, no redirect followed."""
    request = urllib.request.Request(url)  # noqa: S310 - our own http:// address
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    # No proxy: a person's settings must not send this anywhere else.
    opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=STEP) as answer:
            return answer.status, answer.headers["Location"], answer.read()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers["Location"], answer.read()


def listens(port: int) -> bool:
    """Tell whether a connection to the port is taken."""
    try:
        socket.create_connection(("127.0.0.1", port), STEP).close()
    except ConnectionRefusedError:
        return False
    return True


def stop(process: subprocess.Popen[bytes], data_dir: Path, ports: Iterable[int]) -> None:
    """Do what Ctrl-C in the terminal does. Raises StepFailed unless everything ends cleanly."""
    runtime = Path((data_dir / "socket").read_text("utf-8").strip())
    os.killpg(process.pid, signal.SIGINT)
    try:
        code = process.wait(STEP)
    except subprocess.TimeoutExpired:
        raise StepFailed(f"ops.run has not ended {STEP:g} s after Ctrl-C.") from None
    if code != 0:
        raise StepFailed(f"After Ctrl-C the exit code was {code}, not 0.")
    if left := Processes(data_dir / "postgres").pids():
        raise StepFailed(f"Postgres still runs after Ctrl-C: processes {left}.")
    for port in ports:
        if listens(port):
            raise StepFailed(f"Somebody still listens on port {port} after Ctrl-C.")
    if runtime.exists():
        raise StepFailed(f"{runtime} is left after Ctrl-C.")


if __name__ == "__main__":
    sys.exit(main())
