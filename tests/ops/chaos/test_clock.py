"""A process's clock jumps when a file says so."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.chaos.scene import CLOCK
from service.contract.events import new_message_id
from tests.support.processes import REPOSITORY

ASK = """
import time
from service.contract.events import new_message_id
print(time.time(), new_message_id().int >> 80)
"""


@pytest.mark.process
@pytest.mark.parametrize("jump", [0, 86_400, -300])
def test_time_and_message_ids_jump(tmp_path: Path, jump: int) -> None:
    """The time of day and the time in a message id, by the same seconds."""
    offset = tmp_path / "offset"
    offset.write_text(str(jump))
    now, ours = time.time(), new_message_id().int >> 80
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={"PYTHONPATH": f"{CLOCK}:{REPOSITORY}", "CHAOS_CLOCK": str(offset)},
        capture_output=True,
        text=True,
        check=True,
    )
    told, theirs = done.stdout.split()
    assert jump == pytest.approx(float(told) - now, abs=30)
    assert jump == pytest.approx((int(theirs) - ours) / 1000, abs=30)
