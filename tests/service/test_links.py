from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.web import Application
from hypothesis import given
from hypothesis import strategies as st

from service import links, targets
from service.errors import Refused

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize("code", ["a", "A-b_9", "x" * 64, "-", "_"])
def test_code_is_accepted(code: str) -> None:
    """1 to 64 of A-Z a-z 0-9 _ - are a code, kept as they are."""
    assert links.is_code(code)
    assert code == links.wanted_code(code)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "x" * 65,
        ".",
        "..",
        "a/b",
        "a b",
        "a\n",
        "\u202eabc",
        "a\u200bb",
        "🎉",
        "\u212a",
        "a\x00b",
    ],
)
def test_code_is_refused(code: str) -> None:
    """Whatever else is no code, look-alikes of other scripts included."""
    assert not links.is_code(code)
    with pytest.raises(Refused) as refused:
        links.wanted_code(code)
    assert "bad_code" == refused.value.code


@pytest.mark.parametrize("code", ["api", "API", "Stats", "healthz", "well-known", "loGin"])
def test_reserved_names_are_refused_in_any_case(code: str) -> None:
    """Nobody takes a name of ours by spelling it otherwise."""
    with pytest.raises(Refused) as refused:
        links.wanted_code(code)
    assert "reserved_code" == refused.value.code


async def test_reserved_names_cover_the_router(app: Application) -> None:
    """Every first segment the router answers is reserved, but those that no code can be."""
    firsts = {resource.canonical.split("/")[1] for resource in app.router.resources()}
    assert set() == {first for first in firsts if links.is_code(first)} - links.RESERVED


def test_new_code_has_no_look_alikes() -> None:
    """A generated code has 7 characters, none of them 0 O o 1 l I i."""
    for _ in range(1000):
        code = links.new_code()
        assert 7 == len(code)
        assert not set("0Oo1lIi") & set(code)


def test_new_code_skips_reserved_names() -> None:
    """A code that happens to be a reserved name is drawn again."""
    draws = iter("HEALTHZ" + "abcdefg")
    assert "abcdefg" == links.new_code(lambda _: next(draws))


@pytest.mark.parametrize(
    "text, safe",
    [
        ("https://example.com/%61", True),
        ("", False),
        ("https://example.com/\r\nX: y", False),
        ("https://example.com/a b", False),
        ("https://example.com/ü", False),
        ("https://example.com/\x7f", False),
    ],
)
def test_safe_location(text: str, safe: bool) -> None:
    """Only printable ASCII without spaces may become a header."""
    assert safe is links.is_safe_location(text)


@given(st.text())
def test_every_accepted_target_is_a_safe_location(text: str) -> None:
    """What the rules let in can always be sent."""
    try:
        target = targets.checked("https://example.com/" + text)
    except Refused:
        return
    assert links.is_safe_location(target)


def test_title_is_trimmed() -> None:
    """Outer spaces go; a blank title is none."""
    assert "Spring sale 🌷" == links.title("  Spring sale 🌷 ")
    assert links.title(" \t ") is None


@pytest.mark.parametrize(
    "text, code",
    [
        ("x" * 201, "too_long"),
        ("a\x00b", "bad_character"),
        ("a\nb", "bad_character"),
        ("\ud800", "bad_character"),
    ],
)
def test_title_is_refused(text: str, code: str) -> None:
    """What Postgres or a table cell cannot hold is no title."""
    with pytest.raises(Refused) as refused:
        links.title(text)
    assert code == refused.value.code


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31t12:00z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31 12:00:00.5+02:00", datetime(2030, 1, 31, 10, 0, 0, 500000, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_expiry_is_read_into_utc(text: str, expected: datetime) -> None:
    """RFC 3339 instants are accepted up to the year 9999."""
    assert expected == links.expiry(text, NOW)


@pytest.mark.parametrize(
    "text, code",
    [
        ("2030-01-31T12:00:00", "no_time_zone"),
        ("2026-W01-1", "bad_time"),
        ("2030-01-31", "bad_time"),
        ("tomorrow", "bad_time"),
        ("", "bad_time"),
        ("2030-02-30T00:00:00Z", "bad_time"),
        ("2030-01-01T24:61:00Z", "bad_time"),
        ("\u0662030-01-31T12:00:00Z", "bad_time"),
        ("9999-12-31T23:59:59-05:00", "bad_time"),
        ("0001-01-01T00:00:00+14:00", "bad_time"),
        ("0001-01-01T00:00:00Z", "in_the_past"),
        ((NOW - timedelta(seconds=1)).isoformat(), "in_the_past"),
        (NOW.isoformat(), "in_the_past"),
    ],
)
def test_expiry_is_refused(text: str, code: str) -> None:
    """An end needs a zone, lies ahead, and is an instant of the calendar."""
    with pytest.raises(Refused) as refused:
        links.expiry(text, NOW)
    assert code == refused.value.code
