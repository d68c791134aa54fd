"""How settings are read: environment variables, each also as NAME_FILE, all faults told at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class ConfigurationError(Exception):
    """The configuration cannot be used; `faults` are whole sentences, one per variable."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for the value of a file that cannot be read; no field accepts it."""

    path: str
    reason: str


class _NameFile(PydanticBaseSettingsSource):
    """NAME_FILE=path: the value of NAME is the file's text, without the newline at its end."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{field_name.upper()}_FILE")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text("utf-8").rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            return _Unreadable(path, reason or str(error)), field_name, False

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values


class Settings(BaseSettings):
    """What every process is told. Frozen; built once, in `__main__`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: str | None = Field(
        None,
        pattern=r"^postgres(ql)?://",
        description="Postgres to use, postgres:// or postgresql://; else PG*, else embedded",
    )
    data_dir: Path = Field(
        Path(".everyclick"), description="where the embedded Postgres and generated secrets live"
    )
    accept_data_loss: bool = Field(
        False, description="start although the server may lose acknowledged commits in a crash"
    )
    metrics_host: str = Field("127.0.0.1", description="address of the metrics ports")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe level that is logged"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, json elsewhere"
    )
    shutdown_timeout: float = Field(
        10.0, gt=0, le=3600, description="seconds a clean stop may take before it is cut short"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _NameFile(settings_cls)

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises ConfigurationError naming every variable at fault."""
        try:
            return cls()
        except ValidationError as error:
            raise ConfigurationError([_fault(cls, detail) for detail in error.errors()]) from None


def _fault(cls: type[Settings], detail: Any) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    if isinstance(unreadable := detail["input"], _Unreadable):
        return f"{name.upper()}_FILE={unreadable.path}: cannot be read ({unreadable.reason})."
    problem = detail["msg"].removeprefix("Value error, ")
    if not name:
        return f"{problem[:1].upper()}{problem[1:]}."
    field = cls.model_fields.get(name)
    secret = name in {"database_url", "secret_key", "secret_keys_old"}
    seen = "" if secret or detail["type"] == "missing" else f"={detail['input']}"
    meaning = f" It is: {field.description}." if field and field.description else ""
    return f"{name.upper()}{seen}: {problem[:1].lower()}{problem[1:]}.{meaning}"
