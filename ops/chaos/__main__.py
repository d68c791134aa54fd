"""The command line: breaks and counts, prints a report on stdout, tells its progress on stderr.

Exit code 0 when every invariant held in every scenario; 1 when a click was lost, doubled, made up,
wrongly summed up or left behind, when an answer was a 5xx other than 503, when 302s or counted clicks
did not come again, or when a scenario could not be carried out; 2 for a wrong option; 130 interrupted.
Targets that were missed, times and shares, are told, no more; with --strict they count too.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from ops.bench import machine
from ops.bench.report import described
from ops.chaos import report
from ops.chaos.catalogue import chosen, listed
from ops.chaos.cluster import cluster
from ops.chaos.drive import play
from ops.chaos.errors import ChaosError, Missing
from ops.chaos.grounds import Standing, ground, shared
from ops.chaos.result import Result
from ops.chaos.scenario import Scenario
from service.contract.embedded import EmbeddedPostgresError
from service.contract.process import FAILED, INTERRUPTED, OK, say


def options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.chaos", description="Break things under load, then count every click."
    )
    add = parser.add_argument
    add("--full", action="store_true", help="every scenario but SOAK, at length: up to an hour")
    add("--only", metavar="NAME[,NAME]", help="these alone, at length")
    add("--list", action="store_true", help="list the scenarios")
    add("--seed", type=int, help="decides order and times; told at the start, whoever chose it")
    add("--seconds", type=float, help="how long each scenario injects faults, instead of its own")
    add("--beat", type=float, help="of SOAK: seconds to each fault and look, instead of a minute")
    add("--strict", action="store_true", help="fail when a target is missed, too")
    add("--json", type=Path, metavar="PATH", help="write everything there as well")
    add("--dir", type=Path, metavar="DIR", help="where data, and evidence of failures, is kept")
    given = parser.parse_args(argv)
    try:
        given.chosen = chosen(given.only, full=given.full, seconds=given.seconds, beat=given.beat)
    except ValueError as error:
        parser.error(str(error))
    return given


@dataclass
class Drill:
    """One run over some scenarios, and what came of them."""

    directory: Path
    seed: int
    began: float
    results: list[Result] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def play(self, scenario: Scenario, common: Standing) -> None:
        """Play one, and note what came of it."""
        say(f"{time.monotonic() - self.began:5.0f} s  {scenario.name}: {scenario.what}")
        directory = self.directory / scenario.name
        directory.mkdir()
        # A scenario's chance is its own: alone it goes as it went among the others.
        chance = random.Random(f"{self.seed} {scenario.name}")
        try:
            with ground(scenario, common, directory) as standing:
                result = asyncio.run(play(scenario, standing, chance, directory))
        except Missing as error:
            self.skipped[scenario.name] = str(error)
            say(f"         left out: {error}")
        except (ChaosError, EmbeddedPostgresError, psycopg.Error, OSError) as error:
            reason = str(error).strip() or type(error).__name__
            self.failed[scenario.name] = f"{reason} (logs in {directory})"
            say(f"         FAILED: {reason}")
        else:
            self.results.append(result)
            say(f"         {report.line(result)}")
            if result.remarkable:
                say(f"         evidence in {directory}")
            else:
                shutil.rmtree(directory, ignore_errors=True)

    @property
    def sound(self) -> bool:
        """Whether everything was carried out, and every invariant held."""
        return not self.failed and all(result.sound for result in self.results)

    @property
    def punctual(self) -> bool:
        """Whether every target was reached."""
        return all(result.punctual for result in self.results)


def main(argv: Sequence[str] | None = None) -> int:
    """Drill. Returns an exit code."""
    given = options(argv)
    if given.list:
        print(listed())
        return OK
    # Whoever ends us lets us end what we started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    directory = Path(tempfile.mkdtemp(prefix="everyclick-chaos-", dir=given.dir or machine.place()))
    # Others reach what is theirs in it by descriptors alone; tools of Postgres must pass.
    directory.chmod(0o711)
    say(f"seed {seed}; evidence of failures in {directory}")
    drill = Drill(directory, seed, time.monotonic())
    try:
        with cluster(directory / "cluster") as (made, template):
            with made.database.connect() as connection:
                facts = machine.describe(connection, directory)
            common = shared(made, template)
            for scenario in given.chosen:
                drill.play(scenario, common)
    finally:
        shutil.rmtree(directory / "cluster", ignore_errors=True)
        with suppress(OSError):
            directory.rmdir()  # unless something is left in it
    told = {"seed": seed, "full": given.full, "only": given.only, "seconds": given.seconds}
    if given.json:
        text = report.as_json(facts, told, drill.results, drill.failed, drill.skipped)
        given.json.write_text(text, "utf-8")
    print(f"seed {seed}\n{described(facts)}\n")
    print(report.told(drill.results, drill.failed, drill.skipped))
    say(f"{time.monotonic() - drill.began:.0f} s in all.")
    return OK if drill.sound and (drill.punctual or not given.strict) else FAILED


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
