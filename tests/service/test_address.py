"""A command in another terminal finds the address of the service that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.address import FILE, recorded, serving
from service.contract.postgres import Database
from service.settings import ServiceSettings

EMBEDDED = Database("embedded", "", "", "")
OWN = Database("url", "", "", "")


@pytest.fixture(autouse=True)
def _emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ServiceSettings.model_fields, "pghost", "pgdatabase"):
        monkeypatch.delenv(name.upper(), raising=False)


def command(tmp_path: Path, **given: object) -> ServiceSettings:
    """The settings of a command."""
    return serving(ServiceSettings(data_dir=tmp_path, **given))  # type: ignore[arg-type]


def test_a_command_uses_the_address_that_serves(tmp_path: Path) -> None:
    """While the service runs, and no longer."""
    service = ServiceSettings(data_dir=tmp_path, port=9000, short_url="https://go.example")
    with recorded(service, EMBEDDED):
        found = command(tmp_path)
        assert "http://127.0.0.1:9000" == found.public_url
        assert "https://go.example" == found.link_url
        assert "https://x.example" == command(tmp_path, short_url="https://x.example").link_url
        with recorded(ServiceSettings(data_dir=tmp_path, port=9001), EMBEDDED):
            assert "http://127.0.0.1:9001" == command(tmp_path).link_url
    assert (tmp_path / FILE).exists()
    assert "http://127.0.0.1:8080" == command(tmp_path).public_url


@pytest.mark.parametrize(
    "given, expected",
    [
        ({"port": 7000}, "http://127.0.0.1:7000"),
        ({"base_url": "https://app.example"}, "https://app.example"),
        ({"database_url": "postgresql://db/x"}, "http://127.0.0.1:8080"),
    ],
)
def test_what_a_command_is_told_holds(
    tmp_path: Path, given: dict[str, object], expected: str
) -> None:
    """Its own address, or another database, leaves the record aside."""
    with recorded(ServiceSettings(data_dir=tmp_path, port=9000), EMBEDDED):
        assert expected == command(tmp_path, **given).public_url


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\xff"])
def test_a_broken_record_is_none(tmp_path: Path, text: str) -> None:
    """Whatever is in the file, commands go on."""
    with recorded(ServiceSettings(data_dir=tmp_path, port=9000), EMBEDDED):
        (tmp_path / FILE).write_text(text, "latin-1")
        assert "http://127.0.0.1:8080" == command(tmp_path).public_url


def test_nothing_is_recorded_of_a_service_on_its_own_postgres(tmp_path: Path) -> None:
    """DATA_DIR need not exist there; nor of a port that is not known."""
    with recorded(ServiceSettings(data_dir=tmp_path / "none"), OWN):
        pass
    with recorded(ServiceSettings(data_dir=tmp_path, port=0), EMBEDDED):
        pass
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "host, expected",
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("localhost", "http://localhost:8080"),
    ],
)
def test_the_address_on_this_machine(host: str, expected: str) -> None:
    """One that a client on this machine can use, whatever the service listens on."""
    assert expected == ServiceSettings(host=host).public_url
