"""The pattern in the document and the rule for a line of text agree."""

from __future__ import annotations

import re

import pytest

from service import texts
from service.errors import Refused

LIMIT = 5

CHARACTERS = [chr(number) for number in range(0x10000) if not 0xD800 <= number < 0xE000]


@pytest.mark.parametrize("form", ["{}", "a{}b", " {}a "])
@pytest.mark.parametrize("blank", [True, False])
def test_pattern_and_rule_agree_on_every_character(form: str, *, blank: bool) -> None:
    """Alone, inside and at the edge of a text."""
    pattern = re.compile(texts.line_pattern(LIMIT, blank=blank))
    written = [form.format(each) for each in CHARACTERS]
    assert [] == [each for each in written if bool(pattern.search(each)) != fits(each, blank=blank)]


@pytest.mark.parametrize(
    "text", ["", " ", "a", "a a", "abcde", "abcdef", " abcde ", "ab  de", "ab   de"]
)
@pytest.mark.parametrize("blank", [True, False])
def test_pattern_and_rule_agree_on_the_length(text: str, *, blank: bool) -> None:
    """Outer spaces do not count, inner ones do."""
    assert fits(text, blank=blank) == bool(re.search(texts.line_pattern(LIMIT, blank=blank), text))


def fits(text: str, *, blank: bool) -> bool:
    """Whether the rule accepts the text."""
    try:
        return texts.line(text, LIMIT) != "" or blank
    except Refused:
        return False
