"""The units of ops/systemd say what the code does."""

from __future__ import annotations

import configparser
import re

import pytest

from service.contract.process import MISCONFIGURED
from tests.support.processes import REPOSITORY

HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "DynamicUser": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "SystemCallFilter": "~@privileged",
}


def unit(name: str) -> configparser.SectionProxy:
    """The service section of a unit; of a repeated key the last one."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(REPOSITORY / "ops" / "systemd" / f"everyclick-{name}.service")
    return parser["Service"]


@pytest.mark.parametrize("name", ["service", "relay"])
def test_units(name: str) -> None:
    """Each waits to be told, runs its own module, is hardened, and is not restarted for a wrong setting."""
    section = unit(name)
    assert ("notify", f"/opt/everyclick/.venv/bin/python -m {name}") == (
        section["Type"],
        section["ExecStart"],
    )
    assert str(MISCONFIGURED) == section["RestartPreventExitStatus"]
    assert set() == {key for key, value in HARDENED.items() if section[key] != value}
    assert (name == "service") == ("ExecReload" in section)


def test_a_reload_is_a_rolling_restart() -> None:
    """SIGHUP is sent to a supervisor: without WEB_CONCURRENCY it would end the service."""
    section = unit("service")
    assert section["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert section["Environment"] == "WEB_CONCURRENCY=1"


def test_time_to_stop() -> None:
    """systemd waits longer than SHUTDOWN_TIMEOUT, and what it waits for is in the README."""
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    found = re.search(r"`SHUTDOWN_TIMEOUT` \| (\d+) \|", readme)
    assert found is not None
    assert int(unit("service")["TimeoutStopSec"]) > int(found[1])
