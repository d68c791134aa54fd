"""Which hosts links may lead to: none of our own, none that is denied, those that are allowed.

Judged by what is written, without asking any name server: what a name resolves to changes after
the link is made, and we never go there ourselves. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from service import targets
from service.errors import Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE = "private"
"""The word for every host that only some can reach."""

_PRIVATE_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home.arpa")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Authority:
    """A host and its port: a name in lower case without a dot at its end, or an address."""

    host: str | Address
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Return those of an address that `targets.checked` has accepted, or a setting's."""
        scheme, _, rest = url.partition("://")
        text = re.split(r"[/?#]", rest, maxsplit=1)[0]
        host, colon, port = text.rpartition(":")
        if not colon or text.endswith("]"):
            host, port = text, ""
        return cls(_host(host), int(port) if port else _PORTS[scheme.lower()])

    @property
    def is_private(self) -> bool:
        """Whether only some can reach it, by its spelling: an address that is not global, a name
        without a dot, or below one that is never delegated.
        """
        if isinstance(self.host, str):
            return "." not in self.host or _is_below(self.host, _PRIVATE_NAMES)
        return not self.host.is_global


@dataclass(frozen=True, slots=True)
class Hosts:
    """A list of hosts: names, which stand for what is below them too, addresses and networks."""

    names: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    private: bool = False

    @classmethod
    def listed(cls, text: str | None) -> Self:
        """Return what a setting lists, with commas. Raises ValueError naming the entry."""
        names: list[str] = []
        networks: list[Network] = []
        private = False
        for entry in (each.strip() for each in (text or "").split(",")):
            if not entry:
                continue
            if entry.lower() == PRIVATE:
                private = True
                continue
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                names.append(_name(entry))
        return cls(tuple(names), tuple(networks), private)

    def __contains__(self, authority: Authority) -> bool:
        if self.private and authority.is_private:
            return True
        if isinstance(authority.host, str):
            return _is_below(authority.host, self.names)
        return any(authority.host in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Destinations:
    """What a target is checked against; `allowed` None: every host that is not denied."""

    own: tuple[Authority, ...]
    allowed: Hosts | None = None
    denied: Hosts = Hosts()

    @classmethod
    def told(cls, own: tuple[str, ...], allowed: str | None, denied: str | None) -> Self:
        """Return what the settings say; `own` are our public addresses."""
        return cls(
            tuple(Authority.of(url) for url in own),
            Hosts.listed(allowed) if allowed else None,
            Hosts.listed(denied),
        )

    def checked(self, text: str) -> str:
        """Return the target as `targets.checked` does.

        Raises Refused like that one, and: redirect_loop, host_not_allowed.
        """
        target = targets.checked(text)
        authority = Authority.of(target)
        if any(_is_same(authority, own) for own in self.own):
            raise Refused("redirect_loop", "A short link cannot lead to this service itself.")
        if authority in self.denied or (self.allowed is not None and authority not in self.allowed):
            raise Refused("host_not_allowed", "Links to this host are not allowed here.")
        return target


def _is_same(authority: Authority, own: Authority) -> bool:
    ours, theirs = own.host, authority.host
    if isinstance(ours, str) and not _is_below(ours, ("localhost",)):
        # A public name is ours whatever the port: 80, 443 and whatever is in between.
        return theirs == ours
    # A machine's own address has other services too, on other ports.
    if authority.port != own.port:
        return False
    return theirs == ours or (_is_this_machine(theirs) and _is_this_machine(ours))


def _is_this_machine(host: str | Address) -> bool:
    if isinstance(host, str):
        return _is_below(host, ("localhost",))
    return host.is_loopback or host.is_unspecified


def _is_below(host: str, names: tuple[str, ...]) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in names)


def _host(text: str) -> str | Address:
    text = text.lower().removesuffix(".")
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _name(entry: str) -> str:
    """Return a listed name as targets spell it. Raises ValueError."""
    try:
        authority = Authority.of(targets.checked(f"http://{entry.removeprefix('.')}/"))
    except Refused:
        authority = None
    if authority is None or not isinstance(authority.host, str) or ":" in entry:
        raise ValueError(f"{entry} is no host name, address or network, and not the word {PRIVATE}")
    return authority.host
