"""The statements that make a COMMIT one to acknowledge, for those that send them with others."""

from __future__ import annotations

from typing import LiteralString

from service.contract import statements

_SQL = statements.load("service.contract")


def commit_confirm() -> LiteralString:
    """Return what makes a transaction wait for every earlier COMMIT, and as durable as the other."""
    return _SQL["commit_confirm"]


def transaction_durable() -> LiteralString:
    """Return what makes a transaction durable where the session's settings do not."""
    return _SQL["transaction_durable"]
