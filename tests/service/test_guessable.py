"""What is tried first, and what is not."""

from __future__ import annotations

import random
import string

import pytest

from service.guessable import guessable

ADA = "ada.lovelace@analytical.example"

FIRST = """
    password Password1 p@ssw0rd! PASSWORD123 passwordpassword 12345678 87654321 1234567890 11111111
    aaaaaaaaaa abcabcabc abcabcab abcd1234 qwertyuiop qwerty123 1q2w3e4r 1qaz2wsx zaq12wsx asdfghjkl
    zxcvbnm1 iloveyou iloveyou2 letmein123 welcome1 Summer2024! dragon12 monkey99 admin123 football1
    basketba liverpoo changeme trustno1 19901224 24.12.1990 1990-12-24 147258369
    everyclick Everyclick1 everyclick2024! 3v3rycl1ck myeveryclick
    ada.lovelace ada.lovelace@analytical.example lovelace1815 AdaLovelace! lovelaceada1 analytical1
""".split()  # noqa: SIM905 - a page of quotes and commas reads worse

OWN = [
    "correct horse",
    "correct horse battery staple",
    "wrong horse",
    "pass wörd 🎉",
    "кошка на окне",
    "948102750938",
    "p1!2@3#4",
    "x7#kQ2!p",
    "zebra moves quietly",
    "ada lovelace wrote notes",
    "x" * 1020 + "abcd",
]


@pytest.mark.parametrize("text", FIRST)
def test_refused(text: str) -> None:
    """Well-known words, the service's and the account's names, runs, repetitions and dates."""
    assert guessable(text, ADA)


@pytest.mark.parametrize("text", OWN)
def test_accepted(text: str) -> None:
    """Anything else, of whatever characters: no digit and no capital is asked for."""
    assert not guessable(text, ADA)


def test_random_passwords_are_accepted() -> None:
    """What a generator makes is hardly ever refused (one in 2,000): twelve characters of letters and digits."""
    draw = random.Random(1)
    texts = ["".join(draw.choices(string.ascii_letters + string.digits, k=12)) for _ in range(2000)]
    assert sum(guessable(text, ADA) for text in texts) <= 2
