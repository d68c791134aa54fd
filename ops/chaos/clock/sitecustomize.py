"""Lets this process's clock jump by what the file named by CHAOS_CLOCK says, in seconds.

On PYTHONPATH it is imported before anything else. The monotonic clock goes on, as it does when a
real clock is set; message ids are made from the clock that jumps.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from uuid import UUID

_file = Path(os.environ["CHAOS_CLOCK"])
_time = time.time


def _offset() -> float:
    try:
        return float(_file.read_text())
    except (OSError, ValueError):
        return 0.0


time.time = lambda: _time() + _offset()

try:
    import uuid_utils.compat
except ImportError:
    pass
else:
    _uuid7 = uuid_utils.compat.uuid7

    def _jumped_uuid7(*, nanoseconds: int | None = None) -> UUID:
        # It asks the system itself, in Rust; its first 48 bits are the milliseconds.
        return UUID(int=_uuid7(nanoseconds=nanoseconds).int + (int(_offset() * 1000) << 80))

    uuid_utils.compat.uuid7 = _jumped_uuid7
