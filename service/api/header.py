"""A header that a request may have or an answer has, as the document tells it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Header:
    """Declared beside the code that reads or sends it.

    `always`: no answer that it is declared for comes without it.
    """

    name: str
    about: str
    schema: Mapping[str, object]
    always: bool = False

    def asked(self) -> Schema:
        """Return it as a parameter of a request; a request may always do without."""
        return {
            "name": self.name,
            "in": "header",
            "required": False,
            "description": self.about,
            "schema": dict(self.schema),
        }

    def told(self) -> Schema:
        """Return it as a header of an answer."""
        return {"description": self.about, "required": self.always, "schema": dict(self.schema)}
