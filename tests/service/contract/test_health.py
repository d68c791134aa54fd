"""The health check, against servers that answer this or that."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from service.contract import health as module
from service.contract import process
from service.contract.health import health


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """A server that gives each request this answer and closes; None: it never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                if answer is not None:
                    connection.recv(1024)
                    connection.sendall(answer)

        # Whatever is not accepted hangs, as with a process that is stopped.
        thread = Thread(target=serve) if answer is not None else Thread()
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def told(status: str, body: str) -> bytes:
    """A response."""
    return f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{body}".encode()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the developer's shell."""
    for name in ("HOST", "PORT", "HOST_FILE", "PORT_FILE"):
        monkeypatch.delenv(name, raising=False)


def asked(port: int | str) -> int:
    """The exit code of a check of this port."""
    return health(host="HOST", port="PORT", default_port=str(port), path="/readyz")


@pytest.mark.usefixtures("ask")
@pytest.mark.parametrize(
    "status, body, code, words",
    [
        ("200 OK", '{"status": "ok"}', 0, ""),
        ("503 X", '{"status": "waiting", "detail": "It waits."}', 69, "It waits."),
        ("503 X", '{"status": "stalled", "detail": "It is stuck."}', 1, "It is stuck."),
        ("503 X", '{"status": 503, "detail": "Run: migrate."}', 1, "Run: migrate."),
        ("404 X", "no JSON", 1, "/readyz answers 404."),
        ("404 X", "[]", 1, "/readyz answers 404."),
    ],
)
def test_answers(
    capsys: pytest.CaptureFixture[str], status: str, body: str, code: int, words: str
) -> None:
    """What was answered is printed; the code says what to make of it."""
    with answering(told(status, body)) as port:
        assert code == asked(port)
    out, err = capsys.readouterr()
    assert f"{body}\n" == out
    assert words in err
    assert bool(words) == bool(err)


@pytest.mark.usefixtures("ask")
def test_no_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hangs, a port that nobody listens on, a foreign process: 1, and which it is."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.1)
    with answering(None) as port:
        assert 1 == asked(port)
        assert "within 0.1 s: the process hangs" in capsys.readouterr().err
    assert 1 == asked(port)
    assert "refused" in capsys.readouterr().err
    with answering(b"SSH-2.0-OpenSSH\r\n") as port:
        monkeypatch.setattr(module, "ANSWER_SECONDS", 20.0)
        assert 1 == asked(port)
        assert "does not speak HTTP" in capsys.readouterr().err


@pytest.mark.usefixtures("ask")
def test_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The settings of the process, files too, lead to its port; 78 when they cannot."""
    with answering(told("200 OK", "{}")) as port:
        file = tmp_path / "port"
        file.write_text(f"{port}\n")
        monkeypatch.setenv("PORT_FILE", str(file))
        monkeypatch.setenv("HOST", "0.0.0.0")
        assert 0 == asked(1)
    for port_setting in ("0", "x", "70000"):
        monkeypatch.setenv("PORT", port_setting)
        assert 78 == asked(1)
        assert "PORT" in capsys.readouterr().err
    monkeypatch.delenv("PORT")
    monkeypatch.setenv("PORT_FILE", str(tmp_path / "absent"))
    assert 78 == asked(1)


def test_codes() -> None:
    """The codes are those of every other command."""
    assert (process.OK, process.FAILED, process.UNREACHABLE, process.MISCONFIGURED) == (
        module.HEALTHY,
        module.UNHEALTHY,
        module.DATABASE_UNREACHABLE,
        module.MISCONFIGURED,
    )
