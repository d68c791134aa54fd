"""The key that signs tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.contract.settings import ConfigurationError
from service.settings import SECRET_BYTES, ServiceSettings, secret_key


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """Of many that start at once all get the same whole key, readable by its owner alone."""
    settings = ServiceSettings(data_dir=tmp_path)
    with ThreadPoolExecutor(20) as pool:
        keys = set(pool.map(lambda _: secret_key(settings, embedded=True), range(200)))
    assert 1 == len(keys)
    assert SECRET_BYTES <= len(keys.pop())
    assert ["secret_key"] == [path.name for path in tmp_path.iterdir()]
    assert 0o600 == (tmp_path / "secret_key").stat().st_mode & 0o777


def test_no_key_is_made_up_for_a_database_of_ones_own(tmp_path: Path) -> None:
    """Several machines must sign alike: with DATABASE_URL the key has to be given."""
    with pytest.raises(ConfigurationError, match="SECRET_KEY"):
        secret_key(ServiceSettings(data_dir=tmp_path), embedded=False)
    assert [] == list(tmp_path.iterdir())


def test_old_keys_are_told_apart() -> None:
    """A comma or a new line stands between the keys whose tokens still hold."""
    keys = ("a" * 32, "b" * 40, "c" * 32)
    for text in (",".join(keys), "\n".join(keys) + "\n", ", ".join(keys)):
        settings = ServiceSettings(secret_keys_old=SecretStr(text))
        assert tuple(key.encode() for key in keys) == settings.old_keys
    assert () == ServiceSettings().old_keys


def test_short_old_keys_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each has the length of a key of today; the text that is wrong is not shown."""
    file = tmp_path / "keys"
    file.write_text("a" * 32 + "\n" + "marker" * 5 + "\n")
    monkeypatch.setenv("SECRET_KEYS_OLD_FILE", str(file))
    with pytest.raises(ConfigurationError, match="SECRET_KEYS_OLD: each key must be") as refused:
        ServiceSettings.load()
    assert "marker" not in str(refused.value)


def test_old_keys_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SECRET_KEYS_OLD_FILE may name the very file that the key before was in."""
    file = tmp_path / "secret_key"
    file.write_text("a" * 64 + "\n")
    monkeypatch.setenv("SECRET_KEYS_OLD_FILE", str(file))
    assert (b"a" * 64,) == ServiceSettings.load().old_keys
