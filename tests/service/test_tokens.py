import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.accounts import UserId
from service.errors import Unauthenticated
from service.tokens import LONGEST, SessionId, Tokens, kid

KEY = b"k" * 32
NOW = datetime.now(UTC).replace(microsecond=0)

DAY = 86_400
"""Seconds. Tokens are made when tests are collected, and a whole suite may run before one is read."""
SESSION = SessionId(UUID("0197d3a0-0000-4000-8000-000000000001"))
GOOD: Mapping[str, object] = {
    "iss": "everyclick",
    "aud": "everyclick",
    "sub": "7",
    "jti": str(SESSION),
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 2 * DAY,
}
TYPE = {"typ": "everyclick+jwt", "kid": kid(KEY)}


def forged(changes: Mapping[str, object], key: bytes = KEY, **header: object) -> str:
    """Sign GOOD with changes; a change to None leaves the claim out."""
    claims = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return jwt.encode(claims, key, "HS256", headers={**TYPE, **header})


def raw(header: object, payload: object = GOOD, signature: str = "") -> str:
    """Put a token together without signing it."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=")
        for p in (header, payload)
    ]
    return ".".join([*parts, signature])


def test_token_is_read_back() -> None:
    """A token says who, which session, and until when."""
    until = NOW + timedelta(days=7)
    claims = Tokens(KEY).read(Tokens(KEY).issue(UserId(7), SESSION, NOW, until))
    assert (7, SESSION, until) == (claims.user_id, claims.session_id, claims.expires_at)


def test_clocks_may_differ_a_little() -> None:
    """Half a minute either way is forgiven."""
    tokens, now = Tokens(KEY), datetime.now(UTC)
    late = tokens.issue(UserId(7), SESSION, now, now - timedelta(seconds=20))
    early = tokens.issue(UserId(7), SESSION, now + timedelta(seconds=20), now + timedelta(hours=1))
    assert 7 == tokens.read(late).user_id == tokens.read(early).user_id


GOOD_TOKEN = forged({})
BAD_TIMES: list[object] = ["soon", 10**30, 10**18, [], {}, True, 1e308]


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "\x00",
        "\ud800.\ud800.\ud800",
        "ü.ü.ü",
        "x" * 1_000_000,
        GOOD_TOKEN + "!",
        GOOD_TOKEN + "==",
        GOOD_TOKEN + "\n",
        GOOD_TOKEN[:-2],
        GOOD_TOKEN.rpartition(".")[0],
        GOOD_TOKEN.rpartition(".")[0] + ".",
        GOOD_TOKEN + "." + GOOD_TOKEN,
        *[raw({**TYPE, "alg": alg}) for alg in ("none", "nOnE", "", None, ["HS256"], 1, "RS256")],
        raw({**TYPE}),
        raw([]),
        raw({"alg": "HS256"}, [], "x"),
        jwt.encode(dict(GOOD), KEY * 2, "HS384", headers=TYPE),
        jwt.encode(dict(GOOD), KEY, "HS256"),
        forged({}, kid=kid(b"z" * 32)),
        forged({}, kid="../../dev/null"),
        forged({}, kid="' OR 1=1 --"),
        forged({}, cty="JWT"),
        forged({"exp": int(NOW.timestamp()) + int(LONGEST.total_seconds()) + 1}),
        forged({"exp": str(int(NOW.timestamp()) + DAY)}),
        forged({"exp": NOW.timestamp() + DAY + 0.5}),
        forged({"iat": str(int(NOW.timestamp()))}),
        forged({"iat": True}),
        forged({}, key=b"z" * 32),
        forged({}, typ="JWT"),
        forged({}, typ=None),
        *[forged({name: None}) for name in GOOD],
        forged({"exp": int(NOW.timestamp()) - 60}),
        forged({"iat": int(NOW.timestamp()) + DAY}),
        forged({"nbf": int(NOW.timestamp()) + DAY}),
        forged({"aud": "other"}),
        forged({"aud": []}),
        forged({"iss": "everyclick.example"}),
        forged({"iss": "every"}),
        forged({"sub": 7}),
        forged({"sub": "0"}),
        forged({"sub": "-7"}),
        forged({"sub": "\u0667"}),
        forged({"sub": str(2**63)}),
        forged({"sub": "9" * 2500}),
        forged({"jti": "x"}),
        forged({"jti": 7}),
        *[forged({"exp": exp}) for exp in BAD_TIMES],
        forged({}).replace("e", "f", 1),
    ],
)
def test_any_other_token_is_unauthenticated(token: str) -> None:
    """Whatever is wrong, the answer is one and the same error."""
    with pytest.raises(Unauthenticated):
        Tokens(KEY).read(token)


@pytest.mark.parametrize(
    "payload", ["{", "[" * 2000, '{"exp": 1e999}', '{"exp": ' + "9" * 1900 + "}"]
)
def test_signed_nonsense_is_unauthenticated(payload: str) -> None:
    """Even signed with our key, a payload that is no claims set is refused."""
    token = jwt.PyJWS().encode(payload.encode(), KEY, "HS256", headers=TYPE)
    with pytest.raises(Unauthenticated):
        Tokens(KEY).read(token)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")))
def test_any_text_is_unauthenticated(text: str) -> None:
    """No input makes anything but Unauthenticated."""
    with pytest.raises(Unauthenticated):
        Tokens(KEY).read(text)


def test_old_keys_hold_until_they_are_gone() -> None:
    """A token of the key before is read while that key is listed, and not a moment longer."""
    old, new = b"o" * 32, b"n" * 32
    token = Tokens(old).issue(UserId(7), SESSION, NOW, NOW + timedelta(hours=1))
    assert 7 == Tokens(new, old).read(token).user_id
    for tokens in (Tokens(new), Tokens(new, b"x" * 32)):
        with pytest.raises(Unauthenticated):
            tokens.read(token)
    fresh = Tokens(new, old).issue(UserId(7), SESSION, NOW, NOW + timedelta(hours=1))
    assert 7 == Tokens(new).read(fresh).user_id
    assert {"alg", "typ", "kid"} == jwt.get_unverified_header(fresh).keys()


def test_longest_lifetime_is_read() -> None:
    """What `token --days 366` issues holds."""
    token = Tokens(KEY).issue(UserId(7), SESSION, NOW, NOW + LONGEST)
    assert NOW + LONGEST == Tokens(KEY).read(token).expires_at


def test_sessions_are_told_apart() -> None:
    """Two tokens of one user at one moment differ by their session."""
    tokens = Tokens(KEY)
    one, two = (tokens.issue(UserId(7), SessionId(uuid4()), NOW, NOW) for _ in range(2))
    assert one != two
