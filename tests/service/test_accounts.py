import pytest

from service import accounts
from service.errors import Refused


def test_email_is_lowercased() -> None:
    """One mailbox is one account, however it is spelled."""
    assert "ada+x@example.com" == accounts.email("Ada+X@Example.COM")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@",
        "ada@",
        "@example.com",
        "a@b@c",
        "a b@example.com",
        " a@example.com",
        "a@example.com\n",
        "a\x00@example.com",
        "\ud800@example.com",
        "\u212aelvin@example.com",
        "a@" + "b" * 253,
    ],
)
def test_email_is_refused(text: str) -> None:
    """One @ with printable ASCII on both sides, at most 254 characters."""
    with pytest.raises(Refused) as refused:
        accounts.email(text)
    assert "bad_email" == refused.value.code


@pytest.mark.parametrize("text", ["12345678", "x" * 1024, "pass wörd 🎉"])
def test_password_is_kept_as_it_is(text: str) -> None:
    """8 to 1024 characters of any script, spaces included."""
    assert text == accounts.password(text)


@pytest.mark.parametrize(
    "text, code",
    [
        ("1234567", "too_short"),
        ("x" * 1025, "too_long"),
        ("x" * 1_000_000, "too_long"),
        ("12345678\x00", "bad_character"),
        ("12345678\ud800", "bad_character"),
    ],
)
def test_password_is_refused(text: str, code: str) -> None:
    """What is too short, too long, or no text never reaches the hash."""
    with pytest.raises(Refused) as refused:
        accounts.password(text)
    assert code == refused.value.code


def test_new_password_is_not_one_that_is_tried_first() -> None:
    """The rule is for passwords that are given, not for those that somebody logs in with."""
    assert "everyclick1" == accounts.password("everyclick1")
    with pytest.raises(Refused) as refused:
        accounts.new_password("everyclick1", "ada@example.com")
    assert "guessable" == refused.value.code
    with pytest.raises(Refused) as refused:
        accounts.new_password("short", "ada@example.com")
    assert "too_short" == refused.value.code
