"""The key that signs tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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
