"""The headers that tell a browser what not to do with our answers."""

from __future__ import annotations

from collections.abc import Mapping

from service.settings import ServiceSettings

EVERY: Mapping[str, str] = {
    # Nothing we answer may load anything, be framed or send a form, unless a page says otherwise.
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    # Ours, because aiohttp otherwise tells its own version and Python's.
    "Server": "everyclick",
}
"""On every response but a redirect, whose headers are REDIRECT."""

REDIRECT: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
"""What a redirect has of them. No Referrer-Policy: it would be in force on the way to the target,
and so decide whether that learns where its visitor came from, or more than the page wanted to say.
No Cross-Origin-*: an image or a window may lead through a short link."""

STRICT: Mapping[str, str] = {"Strict-Transport-Security": "max-age=31536000"}
"""Beside both when the address they are under is https: a year. Other hosts below it are not ours
to speak for."""


def every(settings: ServiceSettings) -> Mapping[str, str]:
    """Return what each response has that does not say otherwise."""
    return {**EVERY, **_strict(settings.public_url)}


def redirect(settings: ServiceSettings) -> str:
    """Return a redirect's as they are written, each line with its end."""
    given = {**REDIRECT, **_strict(settings.link_url)}
    return "".join(f"{name}: {value}\r\n" for name, value in given.items())


def _strict(url: str) -> Mapping[str, str]:
    return STRICT if url.startswith("https://") else {}
