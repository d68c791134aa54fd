"""service/contract/commands.py."""

from __future__ import annotations

import pytest
import typer

from service.contract.commands import carried_out
from service.contract.process import INTERRUPTED


def program(error: BaseException | None = None) -> typer.Typer:
    """A program of one command, which returns 7 or fails."""
    app = typer.Typer()

    @app.command()
    def act() -> int:
        if error is not None:
            raise error
        return 7

    return app


@pytest.fixture(autouse=True)
def no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is called without any."""
    monkeypatch.setattr("sys.argv", ["everyclick"])


def test_a_result_comes_out() -> None:
    """What the command returns is returned."""
    assert 7 == carried_out(program())


@pytest.mark.parametrize("left", [typer.Abort(), EOFError()], ids=repr)
def test_a_prompt_that_is_left(left: BaseException) -> None:
    """Whoever ends its input at a prompt, or leaves it, has interrupted the command."""
    with pytest.raises(KeyboardInterrupt):
        carried_out(program(left))


def test_an_interrupt() -> None:
    """Of Ctrl-C Typer makes an exit code by itself: the one that a shell gives."""
    assert INTERRUPTED == carried_out(program(KeyboardInterrupt()))


def test_errors_come_out() -> None:
    """A command's error is its caller's to put into words; so is wrong usage."""
    with pytest.raises(LookupError):
        carried_out(program(LookupError("gone")))
    with pytest.raises(typer.BadParameter):
        carried_out(program(typer.BadParameter("say which")))


def test_arguments_that_are_not_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bytes that are not UTF-8 are wrong usage: no database takes them."""
    monkeypatch.setattr("sys.argv", ["everyclick", "caf\udce9"])
    with pytest.raises(typer.BadParameter, match="UTF-8"):
        carried_out(program())
