"""Whose word is taken for where a request came from."""

from __future__ import annotations

import ipaddress

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from service.contract.settings import ConfigurationError
from service.peers import HOPS, PROXIES, Proxies, address_of
from service.settings import ServiceSettings
from tests.support.declared import checking

PEER = "10.0.0.9"

addresses = st.ip_addresses().map(str)


@pytest.mark.parametrize(
    "trusted, forwarded, expected",
    [
        (None, ["203.0.113.7"], PEER),
        ("0", ["203.0.113.7"], PEER),
        ("1", [], PEER),
        ("1", ["203.0.113.7"], "203.0.113.7"),
        ("1", ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        ("1", ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        ("2", ["6.6.6.6, 203.0.113.7,10.0.0.8"], "203.0.113.7"),
        ("2", ["203.0.113.7"], PEER),
        ("2", ["203.0.113.7, <b>"], PEER),
        ("10.0.0.0/8", ["6.6.6.6, 203.0.113.7, 10.0.0.8"], "203.0.113.7"),
        ("10.0.0.0/8", ["10.0.0.7, 10.0.0.8"], "10.0.0.7"),
        ("10.0.0.0/8", [], PEER),
        ("10.0.0.0/8", [""], PEER),
        ("10.0.0.0/8", ["6.6.6.6, 999.1.1.1, 10.0.0.8"], PEER),
        ("10.0.0.0/8", ["203.0.113.7, unknown"], PEER),
        ("10.0.0.0/8", ["fe80::1%eth0"], PEER),
        ("10.0.0.0/8", ["203.0.113.7:4711"], "203.0.113.7"),
        ("10.0.0.0/8", ["[2001:DB8:0::1]:4711"], "2001:db8::1"),
        ("10.0.0.0/8", ["2001:DB8:0::1"], "2001:db8::1"),
        ("10.0.0.0/8", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("10.0.0.0/8", ["127.1"], PEER),
        ("192.168.0.0/16, fd00::/8", ["203.0.113.7"], PEER),
    ],
)
def test_the_last_word_of_those_who_are_trusted(
    trusted: str | None, forwarded: list[str], expected: str
) -> None:
    """Read from the right, as far as proxies are trusted; what is no address leaves the peer's."""
    assert expected == Proxies.told(trusted).address_of(PEER, forwarded)


@given(st.lists(st.text(max_size=50), max_size=5), st.sampled_from([None, "0", "203.0.113.0/24"]))
def test_nobody_untrusted_is_believed(forwarded: list[str], trusted: str | None) -> None:
    """Whatever a client writes, without a trusted proxy before us it is not looked at."""
    assert PEER == Proxies.told(trusted).address_of(PEER, forwarded)


@given(
    st.lists(st.text(max_size=50) | addresses, max_size=150),
    st.integers(1, HOPS) | st.just("10.0.0.0/8"),
)
def test_any_chain_is_an_address(forwarded: list[str], trusted: object) -> None:
    """Whatever is sent, an address comes out: no error, no text of the client's."""
    ipaddress.ip_address(Proxies.told(str(trusted)).address_of(PEER, forwarded))


@given(st.lists(st.text(max_size=50), max_size=20), addresses, st.integers(0, HOPS - 2))
def test_what_the_client_wrote_does_not_matter(forged: list[str], client: str, others: int) -> None:
    """A chain of proxies tells the same client whatever stood before its own words."""
    chain = [client, *[f"10.0.0.{number}" for number in range(others)]]
    expected = Proxies.told(str(len(chain))).address_of(PEER, [", ".join(chain)])
    told = ",".join([*forged, *chain])
    assert expected == Proxies.told(str(len(chain))).address_of(PEER, [told])


def test_a_long_chain_is_read_from_its_end() -> None:
    """A hundred hops are as good as the last of them."""
    told = ", ".join(["6.6.6.6"] * 100 + ["203.0.113.7"])
    assert "203.0.113.7" == Proxies.told("1").address_of(PEER, [told])
    told = ", ".join(["6.6.6.6"] + ["10.0.0.8"] * 100)
    assert PEER == Proxies.told("10.0.0.0/8").address_of(PEER, [told])


@pytest.mark.parametrize("text", ["-1", "17", "1.5", "proxy.example", "10.0.0.1/8", "10.0.0.0/33"])
def test_what_is_no_proxy_is_a_fault(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A setting that would trust something else than it says is refused at start."""
    monkeypatch.setenv("TRUSTED_PROXIES", text)
    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        ServiceSettings.load()


async def test_a_request_s_address() -> None:
    """Of a request the peer and every X-Forwarded-For line count, and no other header."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(address_of(request))
        return web.Response()

    app = web.Application()
    app[PROXIES] = Proxies.told("127.0.0.0/8,::1")
    app.router.add_get("/", handler)
    async with TestClient(TestServer(app), trace_configs=[checking()]) as client:
        lines = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.7")]
        await client.get("/", headers=CIMultiDict(lines))
        await client.get("/", headers={"X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6"})
    assert ["203.0.113.7", "127.0.0.1"] == seen
