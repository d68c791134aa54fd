"""How settings are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.contract.settings import ConfigurationError, Settings
from service.settings import ServiceSettings


@pytest.fixture(autouse=True)
def _emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the developer's shell."""
    for name in ServiceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def faults(cls: type[Settings] = Settings) -> list[str]:
    """What is wrong with the environment."""
    with pytest.raises(ConfigurationError) as raised:
        cls.load()
    assert "\n".join(raised.value.faults) == str(raised.value)
    return raised.value.faults


def test_defaults_need_nothing() -> None:
    """An empty environment is a good one."""
    settings = Settings.load()
    assert (None, Path(".everyclick"), False, "info", "auto", 10.0) == (
        settings.database_url,
        settings.data_dir,
        settings.accept_data_loss,
        settings.log_level,
        settings.log_format,
        settings.shutdown_timeout,
    )


def test_settings_are_frozen() -> None:
    """Nobody changes a setting after the start."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().log_level = "debug"  # type: ignore[misc]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_schemes(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """DATABASE_URL may begin with postgres:// or postgresql://."""
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p@h/d")
    assert f"{scheme}://u:p@h/d" == Settings.load().database_url


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/d", "host=h password=hunter2", "postgresql+psycopg://u:hunter2@h"]
)
def test_other_schemes(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Any other DATABASE_URL is a fault, told without the URL: it may hold a password."""
    monkeypatch.setenv("DATABASE_URL", url)
    (fault,) = faults()
    assert fault.startswith("DATABASE_URL: ")
    assert "postgresql://" in fault
    assert "hunter2" not in fault


def test_name_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """NAME_FILE gives the value of NAME, without the newline at its end but with all else."""
    (tmp_path / "url").write_text("postgres://u:p%20@h/d \r\n\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    (tmp_path / "timeout").write_text("2.5\n")
    monkeypatch.setenv("SHUTDOWN_TIMEOUT_FILE", str(tmp_path / "timeout"))
    settings = Settings.load()
    assert ("postgres://u:p%20@h/d ", 2.5) == (settings.database_url, settings.shutdown_timeout)


def test_name_before_name_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With both given NAME counts; given but empty it does not."""
    (tmp_path / "level").write_text("error\n")
    monkeypatch.setenv("LOG_LEVEL_FILE", str(tmp_path / "level"))
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert "debug" == Settings.load().log_level
    monkeypatch.setenv("LOG_LEVEL", "")
    assert "error" == Settings.load().log_level


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "not text"])
def test_an_unreadable_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    """A NAME_FILE that cannot be read is a fault that names variable and path."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("DATABASE_URL_FILE", str(path))
    (fault,) = faults()
    assert fault.startswith(f"DATABASE_URL_FILE={path}: cannot be read")


def test_all_faults_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every variable at fault is named in one go, unreadable files among them."""
    (tmp_path / "format").write_text("xml\n")
    monkeypatch.setenv("LOG_FORMAT_FILE", str(tmp_path / "format"))
    monkeypatch.setenv("DATA_DIR_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("SHUTDOWN_TIMEOUT", "soon")
    monkeypatch.setenv("PORT", "80000")
    monkeypatch.setenv("BASE_URL", "go.example.com")
    found = faults(ServiceSettings)
    assert sorted(
        [
            "BASE_URL=go.example.com",
            f"DATA_DIR_FILE={tmp_path / 'missing'}",
            "LOG_FORMAT=xml",
            "LOG_LEVEL=loud",
            "PORT=80000",
            f"SECRET_KEY_FILE={tmp_path / 'missing'}",
            "SHUTDOWN_TIMEOUT=soon",
        ]
    ) == sorted(fault.partition(": ")[0] for fault in found)
    assert all(fault.endswith(".") for fault in found)


def test_secrets_are_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A secret at fault is not in the message, from wherever it came, nor in the settings' text."""
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    (fault,) = faults(ServiceSettings)
    assert fault.startswith("SECRET_KEY: must be at least 32 bytes")
    assert "hunter2" not in fault
    (tmp_path / "key").write_text("hunter3\n")
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    assert "hunter3" not in faults(ServiceSettings)[0]
    monkeypatch.setenv("SECRET_KEY", "hunter4" * 10)
    assert "hunter4" not in repr(ServiceSettings.load())


def test_names_of_others_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service does not stumble over the relay's settings, nor over a stranger's."""
    monkeypatch.setenv("RELAY_BATCH_SIZE", "nonsense")
    monkeypatch.setenv("EVERYCLICK_NO_SUCH_THING", "1")
    ServiceSettings.load()


def test_every_setting_has_a_meaning() -> None:
    """Each field says what it is, in words."""
    for name, field in ServiceSettings.model_fields.items():
        assert field.description, name
