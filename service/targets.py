"""Where a link may lead: an absolute http or https address of a host, in ASCII. Pure.

A target is sent as it was given, byte for byte, so it must be safe as a header and mean the same
to every browser: no userinfo (https://bank.example@evil.example), no backslashes, no host spelled
in a way that only some browsers accept.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from yarl import URL

from service.errors import Refused

LIMIT = 2048
"""Characters of a target, counted after it has become ASCII."""

# What _is_unfit refuses, and backslashes; surrogates are left out, as JSON Schema cannot name them.
_UNFIT = r"\x00- \x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\\"

PATTERN = f"[Hh][Tt][Tt][Pp][Ss]?://[^/?#@{_UNFIT}]+([/?#][^{_UNFIT}]*)?"
"""As much of what is accepted as JSON Schema can express: hosts and ports are checked further."""

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PORT = re.compile(r"[0-9]{1,5}")


def checked(text: str) -> str:
    """Return the target in ASCII: unchanged when it is, else with punycode and percent-encoding.

    Raises Refused: too_long, bad_character, not_absolute, unsafe_scheme, userinfo, bad_host,
    bad_port.
    """
    if len(text) > LIMIT:
        raise _too_long()
    if "\\" in text or any(_is_unfit(character) for character in text):
        raise Refused(
            "bad_character", "Remove spaces, control characters and backslashes, or encode them."
        )
    _check_scheme(text)
    if not text.isascii():
        _check_userinfo(text)
        text = _in_ascii(text)
        if len(text) > LIMIT:
            raise _too_long()
    _check_authority(text)
    return text


def _is_unfit(character: str) -> bool:
    # Controls, surrogates and separators: no browser sends one of them as it stands.
    return unicodedata.category(character) in {"Cc", "Cs", "Zs", "Zl", "Zp"}


def _too_long() -> Refused:
    return Refused("too_long", f"Use at most {LIMIT} characters.")


def _check_scheme(text: str) -> None:
    match = _SCHEME.fullmatch(text)
    if match is None:
        raise Refused("not_absolute", "Start the address with https:// or http://.")
    if match["scheme"].lower() not in {"http", "https"}:
        raise Refused("unsafe_scheme", "Use an address that starts with https:// or http://.")
    if not match["rest"].startswith("//"):
        raise Refused("not_absolute", "Write two slashes and a host after the scheme.")


def _authority(text: str) -> str:
    return re.split(r"[/?#]", text.partition("://")[2], maxsplit=1)[0]


def _check_userinfo(text: str) -> None:
    if "@" in _authority(text):
        raise Refused("userinfo", "Remove the user name and password before the host.")


def _in_ascii(text: str) -> str:
    try:
        return str(URL(text))
    except ValueError as error:  # UnicodeError, which bad host names raise, is one
        if "port" in str(error).lower():
            raise _bad_port() from error
        raise _bad_host() from error


def _check_authority(text: str) -> None:
    _check_userinfo(text)
    authority = _authority(text)
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or not _is_ipv6(host) or rest[:1] not in {"", ":"}:
            raise _bad_host()
        port = rest[1:] if rest else None
    else:
        host, colon, rest = authority.partition(":")
        if not _is_host(host):
            raise _bad_host()
        port = rest if colon else None
    if port is not None and not (_PORT.fullmatch(port) and 1 <= int(port) <= 65535):
        raise _bad_port()


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _is_host(text: str) -> bool:
    name = text.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    if not _NUMBER.fullmatch(labels[-1]):
        return True
    # To browsers a name that ends in a number is an IPv4 address: of its many spellings, only one.
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def _bad_host() -> Refused:
    return Refused("bad_host", "Write a host name such as example.com, or an IP address.")


def _bad_port() -> Refused:
    return Refused("bad_port", "Use a port from 1 to 65535, or none.")
