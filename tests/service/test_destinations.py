"""Which hosts links may lead to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.settings import ConfigurationError
from service.destinations import Destinations
from service.errors import Refused
from service.settings import ServiceSettings

OWN = ("https://app.example", "https://go.example:8443")


def code(destinations: Destinations, target: str) -> str | None:
    """Why a target is refused; None when it is not."""
    try:
        assert destinations.checked(target)
    except Refused as refused:
        return refused.code
    return None


@pytest.mark.parametrize(
    "target",
    [
        "https://go.example",
        "https://go.example/hello",
        "http://GO.example:80/",
        "https://go.example:1234?x",
        "https://go.example./hello",
        "https://go.example.:443#x",
        "https://\uff47o.example/",
        "https://go\u3002example/",
        "https://App.Example/api",
    ],
)
def test_loops_are_refused(target: str) -> None:
    """However it is spelled, a link does not lead to a public name of ours, whatever the port."""
    assert "redirect_loop" == code(Destinations.told(OWN, None, None), target)


@pytest.mark.parametrize(
    "target", ["https://go%2eexample/", "https://%67o.example/", "https://u@go.example/"]
)
def test_loops_in_disguise_are_refused_for_it(target: str) -> None:
    """A host in percent-encoding, or behind a user name, is none to begin with."""
    assert code(Destinations.told(OWN, None, None), target) in {"bad_host", "userinfo"}


@pytest.mark.parametrize(
    "target",
    [
        "https://example/",
        "https://sub.go.example/",
        "https://ago.example/",
        "https://go.example.org/",
        "https://other.example/https://go.example/",
        "https://other.example/?u=go.example",
        "https://go.example.other.example/",
    ],
)
def test_others_are_no_loops(target: str) -> None:
    """Only the host counts, and the whole of it."""
    assert code(Destinations.told(OWN, None, None), target) is None


def test_an_idn_of_ours_is_known_in_both_spellings() -> None:
    """BASE_URL is in punycode; a target may have either spelling."""
    destinations = Destinations.told(("https://xn--mnchen-3ya.example",), None, None)
    for target in ("https://MÜNCHEN.example/", "https://XN--mnchen-3YA.example/"):
        assert "redirect_loop" == code(destinations, target)


@pytest.mark.parametrize(
    "own, target, expected",
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/x", "redirect_loop"),
        ("http://127.0.0.1:8080", "http://localhost:8080/x", "redirect_loop"),
        ("http://127.0.0.1:8080", "http://LOCALHOST.:8080/x", "redirect_loop"),
        ("http://127.0.0.1:8080", "http://[::1]:8080/x", "redirect_loop"),
        ("http://127.0.0.1:8080", "http://[::ffff:127.0.0.1]:8080/", "redirect_loop"),
        ("http://0.0.0.0:8080", "http://127.7.7.7:8080/", "redirect_loop"),
        ("http://localhost:8080", "http://127.0.0.1:8080/", "redirect_loop"),
        ("http://192.0.2.1", "http://192.0.2.1:80/", "redirect_loop"),
        ("http://[2001:db8::1]", "http://[2001:DB8:0:0::1]/", "redirect_loop"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:9000/x", None),
        ("http://127.0.0.1:8080", "http://127.0.0.1/x", None),
        ("http://192.0.2.1", "https://192.0.2.1/", None),
    ],
)
def test_addresses_of_ours_count_with_their_port(
    own: str, target: str, expected: str | None
) -> None:
    """A machine has other services, and loopback has many spellings."""
    assert expected == code(Destinations.told((own,), None, None), target)


@pytest.mark.parametrize(
    "allowed, denied, target, expected",
    [
        (None, "bad.example", "https://bad.example/", False),
        (None, "bad.example", "https://www.BAD.example./", False),
        (None, "bad.example", "https://notbad.example/", True),
        (None, ".bad.example", "https://www.bad.example/", False),
        (None, "BÄD.example", "https://xn--bd-via.example/", False),
        ("good.example", None, "https://good.example/", True),
        ("good.example", None, "https://a.b.good.example/", True),
        ("good.example", None, "https://example/", False),
        ("good.example", None, "https://127.0.0.1/", False),
        ("good.example", "bad.good.example", "https://bad.good.example/", False),
        (None, "192.0.2.0/24", "https://192.0.2.77/", False),
        (None, "192.0.2.7", "https://192.0.2.77/", True),
        (None, "2001:db8::/32", "https://[2001:db8::1]/", False),
        (None, "0.0.0.0/0", "https://[::ffff:10.0.0.1]/", False),
        ("good.example, private", None, "http://10.0.0.1/", True),
        *[
            (None, "private", target, False)
            for target in (
                "http://127.0.0.1/",
                "http://10.1.2.3/",
                "http://169.254.169.254/latest",
                "http://[::1]/",
                "http://[::ffff:127.0.0.1]/",
                "http://[fe80::1]/",
                "http://[fd00::1]/",
                "http://0.0.0.0/",
                "http://localhost./",
                "http://a.localhost/",
                "http://intranet/",
                "http://printer.local/",
                "http://metadata.google.internal/",
            )
        ],
        (None, "Private", "http://[::1]/", False),
        (None, "private", "http://1.1.1.1/", True),
        (None, "private", "https://localhost.example/", True),
    ],
)
def test_lists(allowed: str | None, denied: str | None, target: str, expected: bool) -> None:
    """A name stands for itself and what is below it; what is denied stays so when it is allowed."""
    found = code(Destinations.told((), allowed, denied), target)
    assert (None if expected else "host_not_allowed") == found


@pytest.mark.parametrize("name", ["ALLOWED_HOSTS", "DENIED_HOSTS"])
@pytest.mark.parametrize(
    "text", ["a b", "https://bad.example", "bad.example:80", "a..b", "10.0.0.1/8"]
)
def test_what_is_no_host_is_a_fault(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """An entry that would never match is refused at start."""
    monkeypatch.setenv(name, f"good.example,{text}")
    with pytest.raises(ConfigurationError, match=name):
        ServiceSettings.load()


def test_own_hosts_are_the_settings() -> None:
    """BASE_URL and SHORT_URL are ours, HOST and PORT only without BASE_URL."""
    plain = ServiceSettings(port=8080).destinations
    assert "redirect_loop" == code(plain, "http://localhost:8080/")
    both = ServiceSettings(base_url="https://app.example/", short_url="https://go.example")
    assert "redirect_loop" == code(both.destinations, "https://app.example/")
    assert "redirect_loop" == code(both.destinations, "https://go.example/")
    assert code(both.destinations, "http://localhost:8080/") is None


@given(st.text(max_size=60).map("https://{}".format) | st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    """Nothing but Refused ever comes out."""
    code(Destinations.told(OWN, "good.example,private", "bad.example,10.0.0.0/8"), text)
