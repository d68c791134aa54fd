"""pgbench: the database alone, given the statement of one redirect by 32 clients at once."""

from __future__ import annotations

import re
import subprocess
from math import ceil
from tempfile import NamedTemporaryFile

from ops.bench.errors import BenchError
from ops.bench.load_closed import PATIENCE
from ops.bench.stage import LINKS, REFERRER, SQL, USER_AGENT, Stage

CLIENTS = 32


def pgbench(stage: Stage, seconds: float) -> float:
    """Return redirects per second of the bare statement, prepared, a transaction each.

    No HTTP and no Python: pgbench is a C program that does little but wait for Postgres.
    Raises BenchError, or ClicksLost.
    """
    with NamedTemporaryFile("w", dir=stage.directory, suffix=".sql") as file:
        file.write(_script())
        file.flush()
        argv = [str(stage.bin_dir / "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS)]
        argv += ["-j", "2", "-T", str(max(ceil(seconds), 1)), "-f", file.name]
        try:
            told = subprocess.run(
                [*argv, stage.database.conninfo],
                capture_output=True,
                text=True,
                check=True,
                timeout=seconds + PATIENCE,
            ).stdout
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"pgbench failed: {error}\n{error.stderr!r}") from error
    done = re.search(r"transactions actually processed: (\d+)", told)
    rate = re.search(r"tps = ([\d.]+)", told)
    if done is None or rate is None:
        raise BenchError(f"pgbench said something else than expected:\n{told}")
    stage.verify(int(done[1]), CLIENTS)
    return float(rate[1])


def _script() -> str:
    values = {
        "code": "'b' || :link::text",
        "message_id": "uuidv7()",
        "referrer": f"'{REFERRER}'",
        "user_agent": f"'{USER_AGENT}'",
    }
    # pgbench would take the time of day for a variable: there is no colon in these values.
    return f"\\set link random(1, {LINKS})\n{SQL['visit_record'] % values};\n"
