import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import keys
from service.errors import Refused


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_recognised(secret: bytes) -> None:
    """A key is 52 characters fit for a header and a URL, and is known by its form."""
    key = keys.written(secret)
    assert (52, "ec_") == (len(key), key[:3])
    assert keys.is_written(key)
    assert 32 == len(keys.digest(key))


@given(st.binary(min_size=32, max_size=32), st.integers(3, 51), st.sampled_from("aZ0_-"))
def test_a_mistyped_key_is_not(secret: bytes, place: int, character: str) -> None:
    """One wrong character anywhere is seen without asking the database."""
    key = keys.written(secret)
    wrong = f"{key[:place]}{character}{key[place + 1 :]}"
    assert keys.is_written(wrong) == (wrong == key)


@pytest.mark.parametrize("change", ["{}x", "{}\n", " {}", "EC_{}", "ec_", "", "{}=", "é{}"])
def test_other_text_is_no_key(change: str) -> None:
    """Nothing but the very characters is a key."""
    assert not keys.is_written(change.format(keys.written(b"k" * 32)))


@pytest.mark.parametrize(
    "text, code",
    [
        ("", "too_short"),
        ("  ", "too_short"),
        ("x" * 101, "too_long"),
        ("a\x00", "bad_character"),
        ("a\n\tb", "bad_character"),
        ("\ud800", "bad_character"),
    ],
)
def test_name_is_refused(text: str, code: str) -> None:
    """A name is one line of text."""
    with pytest.raises(Refused) as refused:
        keys.name(text)
    assert code == refused.value.code


def test_names_and_scopes_are_put_in_order() -> None:
    """Outer spaces and repetitions go."""
    assert "deploy" == keys.name(" deploy ")
    assert ["links:read", "stats:read"] == keys.scopes(["stats:read", "links:read", "stats:read"])
    with pytest.raises(Refused):
        keys.scopes([])
