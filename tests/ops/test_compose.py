"""compose.yaml: what is set in `.env` reaches the containers, and they stop in order.

There is no Docker engine here: the file is interpolated by the rules of the Compose specification and read
as YAML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from relay.settings import RelaySettings
from service.contract.settings import Settings
from service.settings import ServiceSettings
from tests.support.processes import REPOSITORY

CLASSES: tuple[type[Settings], ...] = (ServiceSettings, RelaySettings)

SETTINGS = sorted({name.upper() for each in CLASSES for name in each.model_fields})

FIXED = {
    "DATABASE_URL": "postgresql://everyclick:secret@postgres:5432/everyclick",
    "DATA_DIR": None,  # the file system is read-only, and nothing is generated: SECRET_KEY is required
    "HOST": "0.0.0.0",
    "PORT": "8080",
    "METRICS_HOST": "0.0.0.0",
    "METRICS_PORT": "9464",
    "RELAY_METRICS_PORT": "9465",
}
"""What only the containers see, and `.env` does not change."""

NEEDED = {"POSTGRES_PASSWORD": "secret", "SECRET_KEY": "a key of more than thirty-two characters"}

SAMPLES = {
    "BASE_URL": "https://app.example",
    "SHORT_URL": "https://go.example",
    "WEB_CONCURRENCY": "3",
    "ALLOWED_HOSTS": "example.com",
    "DENIED_HOSTS": "private",
    "TRUSTED_PROXIES": "10.0.0.0/8",
    "SECRET_KEY": "another key of more than thirty-two characters",
    "SECRET_KEYS_OLD": "an old key of more than thirty-two characters",
    "SIGNUP": "off",
    "LOGIN_LIMIT": "7",
    "ADDRESS_LIMIT": "8",
    "API_RATE_LIMIT": "9",
    "MISS_LIMIT": "11",
    "ACCEPT_DATA_LOSS": "true",
    "LOG_LEVEL": "debug",
    "LOG_FORMAT": "console",
    "SHUTDOWN_TIMEOUT": "12",
    "RELAY_BATCH_SIZE": "13",
    "RELAY_MAX_ATTEMPTS": "14",
    "RELAY_BACKOFF_SECONDS": "1.5",
    "RELAY_FAULT_RATE": "0.25",
}

_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])((?:[^${}]|\$\{[^{}]*\})*))?\}")


def interpolated(text: str, env: Mapping[str, str]) -> str:
    """Return the text with its variables replaced: ${A}, ${A:-default}, ${A:?error}, defaults nested."""

    def value(found: re.Match[str]) -> str:
        name, operator, word = found.groups()
        if env.get(name):
            return env[name]
        if operator == "?":
            raise KeyError(f"{name}: {word}")
        return interpolated(word or "", env)

    return _VARIABLE.sub(value, text)


def services(**env: str) -> dict[str, Any]:
    """The services of the file, with this `.env` beside the two lines that it needs."""
    text = (REPOSITORY / "compose.yaml").read_text("utf-8")
    loaded = yaml.safe_load(interpolated(text, {**NEEDED, **env}))
    return dict(loaded["services"])


def environment(service: str, **env: str) -> dict[str, str]:
    """What the container of this service finds in its environment."""
    return dict(services(**env)[service]["environment"])


@pytest.mark.parametrize("service", ["migrate", "service", "relay"])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_reaches_the_containers(name: str, service: str) -> None:
    """Each setting of both processes is what `.env` says, but for those that are fixed."""
    if name in FIXED:
        found = environment(service, **{name: "9999"})
        assert FIXED[name] == found.get(name)
    else:
        found = environment(service, **{name: SAMPLES[name]})
        assert SAMPLES[name] == found[name]


def test_containers_find_no_setting_that_does_not_exist() -> None:
    """A name that is misspelled in the file would set nothing."""
    for service in ("migrate", "service", "relay"):
        assert set() == set(environment(service)) - set(SETTINGS)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("env", [{}, dict.fromkeys({*SAMPLES} - {*NEEDED}, "")], ids=["", "empty"])
def test_defaults(
    cls: type[Settings], env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `.env` leaves out, or names with an empty value, keeps Everyclick's own default."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    for name, value in environment("service", **env).items():
        monkeypatch.setenv(name, value)
    settings = cls.load().model_dump()
    own = {"BASE_URL": "http://localhost:8080", "LOG_FORMAT": "json"}
    for name, field in cls.model_fields.items():
        if name.upper() not in {*FIXED, *NEEDED, *own}:
            assert settings[name] == field.default, name
    assert "json" == settings["log_format"]


@pytest.mark.parametrize("cls", CLASSES)
def test_a_setting_with_an_empty_value_is_not_set(
    cls: type[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of containers too: `export PORT=` changes nothing."""
    for name in SETTINGS:
        monkeypatch.setenv(name, "")
        monkeypatch.setenv(f"{name}_FILE", "")
    assert {name: field.default for name, field in cls.model_fields.items()} == dict(cls.load())


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_needed_is_asked_for(name: str) -> None:
    """Without it there is an error that says how to make one, and nothing is started."""
    with pytest.raises(KeyError, match=r"put .+ into \.env.+openssl rand"):
        services(**{name: ""})


def test_the_port_on_the_machine() -> None:
    """PORT is the published one, and the one in short URLs; PUBLISH names an address too."""
    ports = services(PORT="9000")["service"]["ports"]
    assert ["127.0.0.1:9000:8080"] == ports
    assert "http://localhost:9000" == environment("service", PORT="9000")["BASE_URL"]
    assert ["0.0.0.0:80:8080"] == services(PUBLISH="0.0.0.0:80", PORT="9000")["service"]["ports"]
    assert ["127.0.0.1:8080:8080"] == services()["service"]["ports"]


@pytest.mark.parametrize("service", ["migrate", "service", "relay"])
def test_postgres_stops_last(service: str) -> None:
    """Containers are stopped before what they depend on: the last clicks and batches are committed."""
    assert "service_healthy" == services()[service]["depends_on"]["postgres"]["condition"]


NEWER = {
    "start_interval": "2.20.2, and Docker Engine 25",
    "include": "2.20.3",
    "attach": "2.20",
    "develop": "2.22",
    "configs.content": "2.23.1",
    "post_start": "2.30",
    "pre_stop": "2.30",
    "required": "2.20.2",
    "provider": "2.36",
    "models": "2.38",
}


def keys(node: Any) -> set[str]:
    """Every key of a tree."""
    if isinstance(node, dict):
        return {*node, *(key for each in node.values() for key in keys(each))}
    return set().union(*map(keys, node)) if isinstance(node, list) else set()


def test_compose_2_20_reads_it() -> None:
    """No key that a later Docker Compose brought; the file says which one it takes."""
    text = (REPOSITORY / "compose.yaml").read_text("utf-8")
    assert set() == keys(services()) & set(NEWER)
    assert text.startswith("# Docker Compose 2.20 or newer:")
    assert "Docker Compose 2.20 or newer" in (REPOSITORY / "README.md").read_text("utf-8")
