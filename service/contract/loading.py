"""How a process loads its code: no more of it than its command needs, and all in one go."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Import inside: the garbage collector rests meanwhile, and passes over it for ever after.

    Modules stay. Left to itself it would walk all that there is of them again and again, for an
    eighth of the time that a start takes.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
