import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import targets
from service.errors import Refused


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com",
        "HTTP://EXAMPLE.com:8080/a//b/../c?x=%2561%252F%253F&&y#f",
        "https://example.com/%61?q=a+b|{}^`\"<>'",
        "https://example.com./",
        "https://a_b.example/",
        "http://127.0.0.1:1/",
        "http://[2001:db8::1]:65535/",
        "http://localhost",
        "https://example.com?x=http://user@other.example/",
        "https://xn--mnchen-3ya.example/",
        "https://example.com/" + "a" * (2048 - 20),
    ],
)
def test_ascii_target_is_kept_byte_for_byte(text: str) -> None:
    """Nothing of an ASCII target is rewritten, whatever a URL library would prefer."""
    assert text == targets.checked(text)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("https://münchen.example/ü?q=ß", "https://xn--mnchen-3ya.example/%C3%BC?q=%C3%9F"),
        ("http://\u212aelvin.example/", "http://kelvin.example/"),
        ("http://\uff45xample\u3002com/a", "http://example.com/a"),
        ("https://example.com/\u202eabc", "https://example.com/%E2%80%AEabc"),
    ],
)
def test_other_targets_become_ascii(text: str, expected: str) -> None:
    """A host becomes punycode, the rest percent-encoded UTF-8."""
    assert expected == targets.checked(text)


@pytest.mark.parametrize(
    "text, code",
    [
        *[
            (text, "unsafe_scheme")
            for text in (
                "javascript:alert(1)",
                "JaVaScRiPt://example.com/%0aalert(1)",
                "data:text/html,x",
                "vbscript:x",
                "file:///etc/passwd",
                "blob:https://example.com/x",
                "about:blank",
                "ftp://example.com/",
                "mailto:a@example.com",
                "example.com:80/",
            )
        ],
        *[
            (text, "not_absolute")
            for text in ("", "/x", "//evil.example", "example.com", "http:evil.example")
        ],
        ("https:/evil.example", "not_absolute"),
        ("http:///evil.example", "bad_host"),
        ("http://", "bad_host"),
        ("http://?x", "bad_host"),
        ("https://bank.example@evil.example/", "userinfo"),
        ("https://a:b@evil.example/", "userinfo"),
        ("https://ü:b@evil.example/", "userinfo"),
        ("https://@evil.example/", "userinfo"),
        ("\\\\evil.example", "bad_character"),
        ("https://bank.example\\@evil.example/", "bad_character"),
        (" https://example.com/", "bad_character"),
        ("https://example.com/a b", "bad_character"),
        ("https://example.com/\r\nSet-Cookie: a=b", "bad_character"),
        ("https://example.com/\x00", "bad_character"),
        ("https://example.com/\x85", "bad_character"),
        ("https://example.com/\ud800", "bad_character"),
        ("java\tscript:alert(1)", "bad_character"),
        ("https://example.com/" + "a" * (2049 - 20), "too_long"),
        ("https://example.com/" + "ü" * 1000, "too_long"),
        ("http://example.com:0/", "bad_port"),
        ("http://example.com:65536/", "bad_port"),
        ("http://example.com:99999999/", "bad_port"),
        ("http://example.com:abc/", "bad_port"),
        ("http://example.com:/", "bad_port"),
        ("http://example.com:80:80/", "bad_port"),
        ("http://ü.example:99999/", "bad_port"),
        ("http://a..b/", "bad_host"),
        ("http://.example.com/", "bad_host"),
        ("http://ü..b/", "bad_host"),
        ("http://" + "a" * 64 + ".example/", "bad_host"),
        ("http://" + ".".join(["a" * 63] * 4) + "/", "bad_host"),
        ("http://exa%6dple.com/", "bad_host"),
        ("http://exam ple.com/".replace(" ", "<"), "bad_host"),
        ("http://2130706433/", "bad_host"),
        ("http://0x7f.1/", "bad_host"),
        ("http://999.1.1.1/", "bad_host"),
        ("http://[::1/", "bad_host"),
        ("http://[::1]x/", "bad_host"),
        ("http://[fe80::1%25eth0]/", "bad_host"),
        ("http://[v1.a]/", "bad_host"),
    ],
)
def test_target_is_refused(text: str, code: str) -> None:
    """What a browser could read otherwise than a person, or must not open, is no target."""
    with pytest.raises(Refused) as refused:
        targets.checked(text)
    assert code == refused.value.code


@given(st.text() | st.text().map("http://{}".format) | st.text().map("http://a/{}é".format))
def test_any_text_is_judged(text: str) -> None:
    """Nothing but Refused ever comes out, and what is accepted is accepted again unchanged."""
    try:
        target = targets.checked(text)
    except Refused:
        return
    assert target == targets.checked(target)


@pytest.mark.parametrize("form", ["https://example.com/{}", "https://example.com/a?b={}c"])
def test_pattern_and_rule_agree_on_every_character(form: str) -> None:
    """The pattern in the document refuses the characters that the rule refuses, and no others."""
    characters = [chr(number) for number in range(0x3100) if chr(number) not in "[]"]
    for text in (form.format(each) for each in characters):
        try:
            targets.checked(text)
        except Refused:
            assert not re.fullmatch(targets.PATTERN, text), repr(text)
        else:
            assert re.fullmatch(targets.PATTERN, text), repr(text)


@pytest.mark.parametrize(
    "text",
    [
        "example.com",
        "//example.com",
        "https:/example.com",
        "ftp://example.com",
        "https://",
        "https://a@b/",
    ],
)
def test_pattern_refuses_what_is_no_http_address(text: str) -> None:
    """Another scheme, no host, a user name."""
    assert not re.fullmatch(targets.PATTERN, text)
