"""What the service is told."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from service.contract.settings import ConfigurationError, Settings
from service.destinations import Destinations, Hosts
from service.peers import Proxies

SECRET_BYTES = 32
"""Least length of SECRET_KEY: HMAC-SHA256 wants a key as long as its output (RFC 7518, 3.2)."""

SignupSwitch = Literal["auto", "on", "off"]
"""Who may make an account of their own; auto: anyone until there is an admin."""

MAKE_ONE = "Make one: python3 -c 'import secrets; print(secrets.token_hex(32))'"


class ServiceSettings(Settings):
    """Settings of `python -m service`; each field is an environment variable of the same name."""

    host: str = Field("127.0.0.1", description="address the redirects are served on")
    port: int = Field(8080, ge=0, le=65535, description="port the redirects are served on")
    web_concurrency: int | None = Field(
        None,
        ge=1,
        le=64,
        description="worker processes that share the port, under a supervisor; unset: one process",
    )
    base_url: str | None = Field(
        None, description="public address of the short links; else http://HOST:PORT"
    )
    short_url: str | None = Field(
        None, description="public address of the short links when it is not BASE_URL"
    )
    allowed_hosts: str | None = Field(
        None, description="hosts that links may lead to, with commas; else any"
    )
    denied_hosts: str | None = Field(
        None, description="hosts that links may not lead to, with commas"
    )
    trusted_proxies: str | None = Field(
        None, description="proxies before us: their networks, with commas, or their number"
    )
    secret_key: SecretStr | None = Field(
        None, description="signs tokens; generated and kept in DATA_DIR with the embedded Postgres"
    )
    secret_keys_old: SecretStr | None = Field(
        None, description="keys whose tokens still hold, a comma or a new line between; sign none"
    )
    signup: SignupSwitch = Field(
        "auto", description="on: anyone may sign up; off: nobody; auto: until there is an admin"
    )
    metrics_port: int = Field(9464, ge=0, le=65535, description="port of the service's /metrics")

    login_limit: int = Field(
        10, ge=0, le=10_000, description="failed logins per account and 15 minutes; 0: no limit"
    )
    address_limit: int = Field(
        60,
        ge=0,
        le=1_000_000,
        description="failed logins, and also sign-ups, per client address and 15 minutes; 0: no limit",
    )
    api_rate_limit: int = Field(
        6000, ge=0, le=1_000_000, description="API requests per user and minute; 0: no limit"
    )
    miss_limit: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="unknown codes per client address, minute and worker; 0: no limit",
    )

    @field_validator("base_url", "short_url")
    @classmethod
    def _base_url_is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme, _, rest = value.rstrip("/").partition("://")
        if scheme not in {"http", "https"} or not rest or not rest.isascii() or " " in rest:
            raise ValueError("must be an address such as https://go.example.com")
        return value.rstrip("/")

    @field_validator("allowed_hosts", "denied_hosts")
    @classmethod
    def _hosts_are_hosts(cls, value: str | None) -> str | None:
        Hosts.listed(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_known(cls, value: str | None) -> str | None:
        Proxies.told(value)
        return value

    @field_validator("secret_key")
    @classmethod
    def _secret_key_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"must be at least {SECRET_BYTES} bytes. {MAKE_ONE}")
        return value

    @field_validator("secret_keys_old")
    @classmethod
    def _old_keys_are_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and any(len(key) < SECRET_BYTES for key in _keys(value)):
            raise ValueError(f"each key must be at least {SECRET_BYTES} bytes")
        return value

    @property
    def old_keys(self) -> tuple[bytes, ...]:
        """The keys whose tokens still hold, without the one that signs."""
        return () if self.secret_keys_old is None else _keys(self.secret_keys_old)

    @property
    def public_url(self) -> str:
        """The address of the API and its pages; no slash at its end."""
        return self.base_url or self.local_url

    @property
    def local_url(self) -> str:
        """The address of this process on this machine; no slash at its end."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def link_url(self) -> str:
        """The address short URLs are made with; no slash at its end."""
        return self.short_url or self.public_url

    @property
    def destinations(self) -> Destinations:
        """Which hosts links may lead to."""
        own = (self.public_url, self.link_url)
        return Destinations.told(own, self.allowed_hosts, self.denied_hosts)

    @property
    def proxies(self) -> Proxies:
        """Which proxies are believed."""
        return Proxies.told(self.trusted_proxies)

    @property
    def is_https(self) -> bool:
        """Whether browsers come by TLS, as the public address says; by nothing that a client sends."""
        return self.public_url.startswith("https://")


def secret_key(settings: ServiceSettings, *, embedded: bool) -> bytes:
    """Return the key that signs tokens; with the embedded Postgres make and keep one when unset.

    Raises ConfigurationError when there is none and none may be made up.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    if not embedded:
        raise ConfigurationError(
            [f"SECRET_KEY is not set; with a database of your own it must be. {MAKE_ONE}"]
        )
    return _kept_key(settings.data_dir / "secret_key")


def _keys(listed: SecretStr) -> tuple[bytes, ...]:
    parts = (part.strip() for part in re.split(r"[,\n]", listed.get_secret_value()))
    return tuple(part.encode() for part in parts if part)


def _kept_key(path: Path) -> bytes:
    if not path.exists():
        # Whole before it has its name: of two processes starting at once, one key wins, and nobody
        # reads half of it.
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    key = path.read_text().strip().encode()
    if len(key) < SECRET_BYTES:
        raise ConfigurationError([f"{path} holds no usable key; delete it to have one made."])
    return key
