"""The relay's fixtures, for those tests here that need a mover of their own."""

from __future__ import annotations

from tests.relay.conftest import make_mover

__all__ = ["make_mover"]
