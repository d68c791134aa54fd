"""Docs cannot lag: what exists is in README.md or ops/runbook.md."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
import typer
from aiohttp.web import Application
from prometheus_client import CollectorRegistry

from relay.cli import commands as relay_commands
from relay.settings import RelaySettings
from service.cli import commands as service_commands
from service.contract.log_wording import level_of, name_of
from service.contract.metrics import PipelineMetrics, RelayMetrics, ServiceMetrics
from service.contract.observations import Observation
from service.problems import CATCH_ALL
from service.settings import ServiceSettings
from tests.service.contract.test_log import example
from tests.support.processes import REPOSITORY


def read(name: str) -> str:
    """A document's text; empty while it is not there."""
    path = REPOSITORY / name
    return path.read_text("utf-8") if path.exists() else ""


README, RUNBOOK = read("README.md"), read("ops/runbook.md")

SETTINGS = sorted({*ServiceSettings.model_fields, *RelaySettings.model_fields})

TARGETS = re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.MULTILINE)


def commands(app: typer.Typer, words: str) -> list[str]:
    """The command lines of a Typer app."""
    own = [
        f"{words} {command.name or getattr(command.callback, '__name__', '')}"
        for command in app.registered_commands
    ]
    return own + [
        line
        for group in app.registered_groups
        if isinstance(group.typer_instance, typer.Typer)
        for line in commands(group.typer_instance, f"{words} {group.name}")
    ]


COMMANDS = [
    *commands(service_commands.app, "python -m service"),
    *commands(relay_commands.app, "python -m relay"),
]


@pytest.mark.parametrize("target", TARGETS)
def test_make_targets(target: str) -> None:
    """Every make target that `make help` lists is in the README."""
    assert re.search(rf"make {target}\b", README)


@pytest.mark.parametrize("name", [name.upper() for name in SETTINGS])
def test_settings(name: str) -> None:
    """Every setting is in the README."""
    assert re.search(rf"`{name}`", README)


def test_no_setting_is_made_up() -> None:
    """Every variable in the README's table of settings exists."""
    section = README.partition("## Settings")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `([A-Z][A-Z_]+)`", section, re.MULTILINE))
    assert named
    assert named <= {name.upper() for name in SETTINGS}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str) -> None:
    """Every command of both command lines is in the README."""
    module, *words = command.removeprefix("python -m ").split()
    assert any(
        f"python -m {module}" in line and all(re.search(rf"\b{word}\b", line) for word in words)
        for line in README.splitlines()
    )


def test_routes(app: Application) -> None:
    """Every route the service answers is in the README."""
    missing = set()
    for resource in app.router.resources():
        path = resource.canonical
        if path == CATCH_ALL:
            continue
        # One line may tell several: /api/v1/signup|login|logout
        last = path.rpartition("/")[2]
        base = path.removesuffix(last)
        if path not in README and not re.search(
            rf"{re.escape(base)}[\w|]*\b{re.escape(last)}\b", README
        ):
            missing.add(path)
    assert set() == missing


@pytest.mark.parametrize("kind", get_args(Observation), ids=lambda kind: kind.__name__)
def test_observations(kind: type[Any]) -> None:
    """Every observation has a level, and a heading in the runbook."""
    observation = example(kind)
    assert level_of(observation) in {"debug", "info", "warning", "error"}
    assert re.search(rf"^### `?{name_of(observation)}\b", RUNBOOK, re.MULTILINE)


def test_no_observation_is_made_up() -> None:
    """Every observation that the runbook has a heading for exists."""
    section = RUNBOOK.partition("## Observations")[2].partition("\n## ")[0]
    named = set(re.findall(r"^### `?([a-z_]+)", section, re.MULTILINE))
    assert named <= {name_of(example(kind)) for kind in get_args(Observation)}


def metrics() -> list[str]:
    """The names of every metric, as Prometheus shows them."""
    service, relay = CollectorRegistry(), CollectorRegistry()
    ServiceMetrics(service)
    RelayMetrics(relay)
    PipelineMetrics(relay)
    return sorted(
        {
            f"{metric.name}_total" if metric.type == "counter" else metric.name
            for metric in (*service.collect(), *relay.collect())
        }
    )


@pytest.mark.parametrize("name", metrics())
def test_metrics(name: str) -> None:
    """Every metric is in the runbook, under the name that Prometheus shows."""
    assert re.search(rf"\b{name}\b", RUNBOOK)
