"""Ask a process that runs on this machine, over its own port, whether it does its work.

A container runs this every few seconds: it imports no settings, no command line, no driver.
"""

from __future__ import annotations

import os
import socket
import sys
from time import monotonic

HEALTHY, UNHEALTHY, DATABASE_UNREACHABLE, MISCONFIGURED = 0, 1, 69, 78
"""Exit codes, those of `process`."""

ANSWER_SECONDS = 2.0
"""Seconds without an answer after which the process counts as one that hangs."""


def health(*, host: str, port: str, default_port: str, path: str) -> int:
    """Print what the process answers; return an exit code.

    `host` and `port` are the settings that name its port. 0: it does its work; 69: it waits for its
    database; 1: it says why it does not work, or does not answer; 78: a setting cannot be read.
    """
    try:
        address = _setting(host, "127.0.0.1")
        number = int(_setting(port, default_port))
    except (OSError, ValueError) as error:
        _say(f"{host} and {port}: {error}.")
        return MISCONFIGURED
    if not 0 < number < 65536:
        _say(f"{port}={number}: not the number of a port that can be asked; set one.")
        return MISCONFIGURED
    address = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
    return _asked(address, number, path)


def _asked(address: str, port: int, path: str) -> int:
    try:
        status, body = _get(address, port, path)
    except TimeoutError:
        _say(f"No answer from {address}:{port} within {ANSWER_SECONDS:g} s: the process hangs.")
        return UNHEALTHY
    except (OSError, ValueError) as error:
        _say(f"No answer from {address}:{port}: {error}.")
        return UNHEALTHY
    sys.stdout.write(f"{body}\n")
    if status == 200:
        return HEALTHY
    told = _told(body)
    _say(str(told.get("detail") or f"{address}:{port}{path} answers {status}."))
    return DATABASE_UNREACHABLE if told.get("status") == "waiting" else UNHEALTHY


def _get(address: str, port: int, path: str) -> tuple[int, str]:
    # Not http.client: loading that takes three times as long as all the rest.
    deadline = monotonic() + ANSWER_SECONDS
    answer = b""
    # As bytes: a name given as text is encoded by a module that loads `re`.
    place = (address.encode(), port)
    with socket.create_connection(place, ANSWER_SECONDS) as connection:  # type: ignore[arg-type]
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        while True:
            connection.settimeout(max(deadline - monotonic(), 0.001))
            if not (piece := connection.recv(65536)):
                break
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1."):
        raise ValueError("it does not speak HTTP")
    return int(head.split()[1]), body.decode("utf-8", "replace")


def _setting(name: str, default: str) -> str:
    if value := os.environ.get(name):
        return value
    if file := os.environ.get(f"{name}_FILE"):
        with open(file, encoding="utf-8") as opened:  # noqa: PTH123 - pathlib takes long to load
            return opened.read().rstrip("\r\n")
    return default


def _told(body: str) -> dict[str, object]:
    import json  # noqa: PLC0415 - a healthy process needs none

    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
