"""Where a request came from: the peer's address, or the one that trusted proxies tell.

Of all that a proxy may say only X-Forwarded-For is read, from its right end, where the nearest
proxy wrote; what stands to the left of the last trusted word anybody could have written.
Forwarded, X-Real-IP, X-Forwarded-Host and X-Forwarded-Proto are believed of nobody.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from aiohttp import hdrs, web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

HOPS = 16
"""Proxies that may stand in a row."""

_ENTRY = re.compile(
    r"(?P<v4>[0-9.]+)(:[0-9]{1,5})?|\[(?P<port6>[0-9A-Fa-f:.]+)\](:[0-9]{1,5})?|(?P<v6>[0-9A-Fa-f:.]+)"
)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies that are believed: so many, whatever their addresses, or those of some networks."""

    hops: int = 0
    networks: tuple[Network, ...] = ()

    @classmethod
    def told(cls, text: str | None) -> Self:
        """Return what TRUSTED_PROXIES says. Raises ValueError."""
        text = (text or "").strip()
        if re.fullmatch(r"[0-9]{1,3}", text):
            if int(text) > HOPS:
                raise ValueError(f"at most {HOPS} proxies in a row")
            return cls(hops=int(text))
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        try:
            return cls(networks=tuple(ipaddress.ip_network(entry) for entry in entries))
        except ValueError as error:
            raise ValueError(
                f"must be a number of proxies or networks such as 10.0.0.0/8, with commas ({error})"
            ) from None

    def address_of(self, peer: str, forwarded: Iterable[str]) -> str:
        """Return the client's address: `forwarded` are the X-Forwarded-For lines, in their order.

        The peer's when it is not trusted, when fewer have signed than should have, and when one of
        the words that count is no address.
        """
        at = _address(peer)
        plain = peer if at is None else str(at)
        if self.hops:
            return self._behind_so_many(plain, forwarded)
        if at is None or not self._trusts(at):
            return plain
        for word in _from_the_right(forwarded):
            at = _address(word)
            if at is None:
                return plain
            if not self._trusts(at):
                break
        return str(at)

    def client_of(self, request: web.BaseRequest) -> str:
        """Return the address of the client, as far as it can be known."""
        return self.address_of(
            request.remote or "", request.headers.getall(hdrs.X_FORWARDED_FOR, [])
        )

    def _behind_so_many(self, peer: str, forwarded: Iterable[str]) -> str:
        for number, word in enumerate(_from_the_right(forwarded), 1):
            at = _address(word)
            if at is None:
                break
            if number == self.hops:
                return str(at)
        return peer

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


PROXIES = web.AppKey("proxies", Proxies)


def address_of(request: web.Request) -> str:
    """Return the address of the client, as far as it can be known; for throttling."""
    return request.app[PROXIES].client_of(request)


def _from_the_right(lines: Iterable[str]) -> Iterator[str]:
    words = ",".join(lines).rsplit(",", HOPS)
    # What is left over at the left end, should there be more, is never an address.
    yield from (word.strip(" \t") for word in reversed(words))


def _address(text: str) -> Address | None:
    match = _ENTRY.fullmatch(text)
    if match is None:
        return None
    try:
        address = ipaddress.ip_address(match["v4"] or match["port6"] or match["v6"])
    except ValueError:
        return None
    # One client, one spelling, whichever kind of socket it came by.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
