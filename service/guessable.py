"""Passwords that are guessed first. Pure; no list of leaked ones, but how most of them are made.

A password falls when nothing is left of it but what everybody tries: a well-known word, this
service's name, the account's own e-mail, each in any case, with the usual digits for letters and
with digits and signs around it; a few characters over and over; runs of the alphabet, of digits or
of neighbouring keys; a date. A strange password is never refused for lacking a digit or a capital.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

SERVICE = "everyclick"

REMAINDER = 4
"""Characters beyond what can be guessed that make a password one's own."""

WORDS = frozenset(
    """
    abc access admin administrator adobe alexander alexis amanda america andrea andrew android angel
    angela anthony apple arsenal asdf ashley austin azerty babygirl bailey banana barcelona baseball
    basketball batman beautiful benjamin bigdog bitcoin blahblah blessed blink boston brandon buster
    butterfly california cameron changeme changeit charlie charlotte cheese chelsea chester chicago
    chicken chocolate christian christine christopher classic computer cookie corvette cowboys
    crystal danielle database default demo destiny diamond dolphin donald dragon drowssap eagles
    elephant elizabeth eminem everton facebook ferrari fluffy flower football forever freedom friend
    friends fuckyou fuckoff garfield george gateway gfhjkm ginger gizmo google guest guitar hannah
    harley heather hello hockey hunter iloveu iloveyou internet iphone jackson jasmine jennifer
    jessica jesus jonathan jordan joseph joshua justin killer kitty ladybug lakers letmein letmeinnow
    linkedin liverpool login london loveme lovely lover loveyou madison maggie manchester marina
    marlboro martin master matrix matthew maverick mercedes metallica michael michelle microsoft
    midnight minecraft mickey money monkey monster mother mustang mypassword myspace nathan naruto
    newpass newpassword newyork nicholas nicole ninja nirvana nothing operator orange pass passcode
    passw passwd password passwort patrick peanut pepper phoenix picture pikachu player please pokemon
    porsche portugal prince princess private profile public purple pussy qazwsx qwerty rachel raiders
    rainbow rangers rebecca redsox robert rockstar rockyou root samantha samsung scooter secret
    security senha server shadow shannon shelby shorturl skywalker slipknot snickers snoopy soccer
    softball spiderman starwars steelers steven stupid summer sunflower sunshine superman superstar
    support sweety swordfish sysadmin system tartar taylor teacher temp temporary test testing tester
    testuser thomas thunder tigger tiger tinkerbell trustno trustnoone twitter unicorn unknown user
    username valentina vanessa victoria vikings warcraft webmaster welcome whatever william winner
    winter wizard xbox yamaha yankees yellow zxcvbn autumn spring january february march april june
    july august september october november december monday tuesday wednesday thursday friday saturday
    sunday
    big boy girl man bear fish ball land day fire sky blue red black white green gold silver pink dark
    light sun moon sea snow ice rain storm wolf fox lion bird horse fly rock pop punk metal jazz king
    queen lord lady sexy sex hot cool crazy happy lucky good bad great super mega ultra uber dude guy
    power gamer game play word key door house home work school beach street world earth space mars venus
    jupiter saturn pluto water fall time life live death dead hell devil demon heaven ghost spirit holy
    magic wonder dream hope faith grace peace joy smile laugh kiss heart soul mind body head face eyes
    hair hand foot basket hard soft ware rugby tennis golf racing racer driver cowboy pirate viking
    knight soldier army navy marine air force captain doctor nurse student engineer lawyer robin spider
    ironman hulk terminator predator alien trek enterprise stargate voyager galaxy cosmos coca cola
    pepsi nike adidas toyota honda nissan subaru suzuki kawasaki ducati chevy camaro corolla audi bmw
    volvo volkswagen peugeot renault nintendo playstation sega sony nokia motorola ericsson dell lenovo
    intel amd linux windows ubuntu debian redhat oracle mysql postgres cisco juniper scotland ireland
    england germany deutschland france paris berlin madrid italia italy russia moscow canada toronto
    mexico brazil brasil argentina japan tokyo china india pakistan turkey istanbul egypt africa
    australia sydney texas florida colorado arizona nevada michigan alaska hawaii carolina virginia
    georgia jersey dallas houston denver seattle miami vegas brooklyn manhattan hollywood real juventus
    bayern milan inter ajax celtic galatasaray fenerbahce patriots packers broncos bears bulls celtics
    dodgers giants jets mets redskins seahawks panthers warriors
    love god baby honey star money dog cat the and you my is me
    """.split()  # noqa: SIM905 - a page of quotes and commas reads worse
)
"""Written down from general knowledge; the rules around it do the most."""

RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop[]",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl;'",
    "qsdfghjklm",
    "zxcvbnm,./",
    "yxcvbnm",
    "!@#$%^&*()_+",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1a2b3c4d5e6f7g8h9i",
    "a1b2c3d4e5f6g7h8i9",
    "147258369",
    "159357",
    "789456123",
)

_BOTH_WAYS = RUNS + tuple(run[::-1] for run in RUNS)
_RUN_LEAST = 3
_UNIT_LIMIT = 4
_CUT = 7
_LONGEST = 64
_DISTINCT_LEAST = 4
_LEET = str.maketrans("@4310$57!8", "aaeiosstib")
_DATE = re.compile(
    r"(?:19|20)\d\d[-./]?(?:0[1-9]|1[0-2])[-./]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])[-./]?(?:0[1-9]|[12]\d|3[01])[-./]?(?:19|20)\d\d"
)
_AROUND = "0123456789!@#$%^&*()-_=+.,?/ ~`'\"|\\:;<>[]{}"


def guessable(password: str, email: str) -> bool:
    """Whether a password is among those tried first against this account."""
    text = password.lower()
    if len(set(text)) < _DISTINCT_LEAST or _DATE.fullmatch(text):
        return True
    if _is_worded(text.strip(_AROUND).translate(_LEET)):
        return True
    own = sorted(context(email), key=len, reverse=True)
    return any(_is_known(_unit(form), own) for form in (text, text.translate(_LEET)))


def context(email: str) -> tuple[str, ...]:
    """Return what is known of the account: this service's name and the parts of the e-mail."""
    local, _, domain = email.lower().partition("@")
    parts = {SERVICE, local, domain, *domain.split(".")[:-1], *re.split(r"[^a-z0-9]+", local)}
    return tuple(part for part in parts if len(part) >= _RUN_LEAST)


def _unit(text: str) -> str:
    """Return what the text repeats, or nothing when that is hardly anything."""
    length = (text + text).index(text, 1)
    return "" if length <= _UNIT_LIMIT and length < len(text) else text[:length]


def _is_known(text: str, own: Sequence[str]) -> bool:
    if len(text) > _LONGEST:
        return False
    if _is_worded(text):
        return True
    beyond = text
    for word in own:
        beyond = beyond.replace(word, "")
    if beyond != text and (_is_worded(beyond) or len(beyond.strip(_AROUND)) < REMAINDER):
        return True
    left = _without_runs(beyond)
    return len(left) < REMAINDER or left.strip(_AROUND) in WORDS


def _is_worded(text: str) -> bool:
    """Whether the text is one of WORDS, or two, with signs and digits around."""
    rest = text.strip(_AROUND)
    if len(rest) >= _CUT and any(word.startswith(rest.removesuffix("s")) for word in WORDS):
        return True  # in the plural, or cut short as by systems that kept eight characters
    return rest in WORDS or any(
        rest[:at] in WORDS and rest[at:].strip(_AROUND) in WORDS for at in range(2, len(rest) - 1)
    )


def _without_runs(text: str) -> str:
    """Return the text without its runs, the longest first at each place."""
    kept, at = [], 0
    while at < len(text):
        length = _run_at(text, at)
        if length < _RUN_LEAST:
            kept.append(text[at])
        at += max(length if length >= _RUN_LEAST else 1, 1)
    return "".join(kept)


def _run_at(text: str, at: int) -> int:
    length = 0
    while at + length < len(text) and (
        any(text[at : at + length + 1] in run for run in _BOTH_WAYS)
        or text[at : at + length + 1] == text[at] * (length + 1)
    ):
        length += 1
    return length
