"""python -m ops.fuzz [--cases N] [--seed N]: fuzz the service as it is run, on an embedded Postgres.

Exit code 0 when every answer was one that may be given, no request failed in the log, and the service is
ready at the end; 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ops.fuzz.cases import Case, Cases
from ops.fuzz.verdict import HANGS, Tally
from ops.smoke import TARGET, answers, command, environment, started, until
from service import api
from service.contract.process import FAILED, OK, say

AT_ONCE = 16
MINE, KEPT = "mine", "kept"
"""Codes of links: one that may be deleted on the way, and one that belongs to nobody."""
OWNER = "fuzz@example.com"


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz. Returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None, help="draws the same cases again")
    given = parser.parse_args(argv)
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="everyclick-fuzz-") as directory:
        env = environment(Path(directory) / "data")
        # Otherwise most answers would be 429.
        env |= {"API_RATE_LIMIT": "0", "LOGIN_LIMIT": "0", "ADDRESS_LIMIT": "0", "SIGNUP": "on"}
        log = Path(directory) / "log"
        url = f"http://127.0.0.1:{env['PORT']}"
        with started(env, log) as process:
            until(process, lambda: answers(f"{url}/readyz", 200), "The service is not ready.")
            command(env, "service", "user", "add", OWNER, "--password-stdin")
            token = command(env, "service", "token", OWNER).strip()
            for code, owner in ((MINE, ("--owner", OWNER)), (KEPT, ())):
                command(env, "service", "link", "add", TARGET, "--code", code, *owner)
            cases = Cases(tuple(api.operations()), (MINE, KEPT), token, seed)
            tally = asyncio.run(fuzz(int(env["PORT"]), cases, given.cases))
            lives = answers(f"{url}/readyz", 200)
        failures = log.read_text("utf-8", "replace").count("request_failed")
    print(told(tally, seed, time.monotonic() - began, failures, lives=lives))
    return OK if lives and not tally.faults and not failures else FAILED


async def fuzz(port: int, cases: Cases, number: int) -> Tally:
    """Send so many cases, some at once."""
    tally = Tally()
    left = number

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            if left % 10_000 == 0:
                say(f"{number - left:,} sent, {sum(tally.faults.values())} faults")
            case = cases.draw()
            started_at = time.monotonic()
            answer = await ask(port, case)
            tally.note(case.sent, answer, time.monotonic() - started_at, whole=case.whole)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return tally


async def ask(port: int, case: Case) -> bytes:
    """Send a case on a connection of its own and return what comes back until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()
    try:
        async with asyncio.timeout(HANGS + 1 if case.whole else 0.5):
            writer.write(case.sent)
            while chunk := await reader.read(65536):
                received += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.transport.abort()
    return bytes(received)


def told(tally: Tally, seed: int, seconds: float, failures: int, *, lives: bool) -> str:
    """Return the report."""
    statuses = ", ".join(
        f"{status}: {number:,}" for status, number in sorted(tally.statuses.items())
    )
    faults = ", ".join(f"{what}: {number:,}" for what, number in tally.faults.items()) or "none"
    lines = [
        f"seed {seed}: {tally.cases:,} cases in {seconds:.0f} s",
        f"answers {statuses}",
        f"faults {faults}; request_failed in the log: {failures}; ready at the end: {lives}",
    ]
    lines += [f"{what}\n  sent {sent!r}\n  got {got!r}" for what, sent, got in tally.kept]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
