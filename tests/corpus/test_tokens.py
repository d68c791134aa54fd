"""The corpus of RFC 8725 over HTTP: every token that is not ours, or not right, is one and the same 401."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from pydantic import SecretStr

from service.app import create_app
from service.contract.postgres import Database
from service.errors import Unauthenticated
from service.lifespan import TOKENS
from service.sessions import begin
from service.settings import ServiceSettings
from service.store.users import user_create
from service.tokens import Tokens, kid
from tests.conftest import KEY
from tests.service.api.conftest import person
from tests.support.declared import checking
from tests.support.forged import segment, signed

Client = TestClient[Request, Application]
ME = "/api/v1/me"
HEADER = {"alg": "HS256", "typ": "everyclick+jwt", "kid": kid(KEY)}
DAY = 86_400

Claims = dict[str, Any]
Forge = Callable[[Claims], str]


@pytest.fixture
async def claims(app: Application, db: psycopg.AsyncConnection) -> Claims:
    """What a good token of Ada's says, for a session that stands."""
    ada = await person(db, app, "ada@example.com")
    read = app[TOKENS].read(ada.headers["Authorization"].removeprefix("Bearer "))
    now = int(datetime.now(UTC).timestamp())
    return {
        "iss": "everyclick",
        "aud": "everyclick",
        "sub": str(read.user_id),
        "jti": str(read.session_id),
        "iat": now,
        "exp": now + DAY,
    }


def header(**changes: object) -> Forge:
    """Forge a token with another header; a change to ... leaves the parameter out."""
    made = {name: value for name, value in {**HEADER, **changes}.items() if value is not ...}
    return lambda claims: signed(made, claims, KEY)


def claim(**changes: object) -> Forge:
    """Forge a token with other claims; a change to ... leaves the claim out."""

    def forge(claims: Claims) -> str:
        made = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
        return signed(HEADER, made, KEY)

    return forge


def later(name: str, seconds: float) -> Forge:
    """Forge a token with a time so many seconds from now."""
    return lambda claims: claim(**{name: claims["iat"] + seconds})(claims)


def good(claims: Claims) -> str:
    """Make the token that all others here are one change away from."""
    return signed(HEADER, claims, KEY)


PUBLIC_KEY = """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2RewRa6Gaerdgy93JIp5
1R3hUwqw9zXag6nt+se5eVwyEGV9dh5l6ZluPRPodSFYppckDwg2Bj5u2rcwHvdb
8djLS264vFQX6ORZ2GDZEzw7jhzSoqaFmCWXl8HmNgs/QUtQVaiMlQJ7LSAH4W73
QKpqCTkT8TC/CcFr69FtsluLHQHtZv8MfMsJasEjb5vTtc26om2fM5MPaW2AmskN
Kz1oL0xM5woktMyveaCxIKx5lgWJ2aZkX4i6fcPy1UmtdJ8EXf12+5kxKS6aNGRz
89WF4JxS/vbIYjgIaKEqidYsq+il+aji36b/Wk/rIPj11n99rbUG71WtiMM1OTil
6wIDAQAB
-----END PUBLIC KEY-----
"""


CORPUS: dict[str, Forge] = {
    **{
        f"alg {alg!r}": header(alg=alg)
        for alg in (
            "none",
            "nOnE",
            "NONE",
            "",
            "HS384",
            "HS512",
            "RS256",
            "ES256",
            "hs256",
            1,
            None,
        )
    },
    "alg list": header(alg=["HS256"]),
    "alg missing": header(alg=...),
    "alg none, unsigned": lambda c: f"{segment({**HEADER, 'alg': 'none'})}.{segment(c)}.",
    "unsigned": lambda c: f"{segment(HEADER)}.{segment(c)}.",
    "HS384, rightly signed": lambda c: signed({**HEADER, "alg": "HS384"}, c, KEY, "sha384"),
    "HS512, rightly signed": lambda c: signed({**HEADER, "alg": "HS512"}, c, KEY, "sha512"),
    # The algorithm is refused before its signature is looked at, so any of RSA's length will do.
    "RS256, signed": lambda c: (
        f"{segment({**HEADER, 'alg': 'RS256'})}.{segment(c)}.{segment('x' * 256)}"
    ),
    "HS256 with a public key": lambda c: signed(HEADER, c, PUBLIC_KEY.encode()),
    "RS256, HMAC with a public key": lambda c: signed(
        {**HEADER, "alg": "RS256"}, c, PUBLIC_KEY.encode()
    ),
    "HS256 with no key": lambda c: signed(HEADER, c, b""),
    "HS256 with the kid": lambda c: signed(HEADER, c, kid(KEY).encode()),
    "another key": lambda c: signed(HEADER, c, b"z" * 32),
    "another key and its kid": lambda c: signed({**HEADER, "kid": kid(b"z" * 32)}, c, b"z" * 32),
    "crit": header(crit=["exp"]),
    "crit unknown": header(crit=["x"], x=1),
    "b64 false": header(b64=False),
    "b64 false, crit": header(b64=False, crit=["b64"]),
    "kid missing": header(kid=...),
    "kid number": header(kid=7),
    "kid null": header(kid=None),
    "kid list": header(kid=[kid(KEY)]),
    "kid path": header(kid="../../../../dev/null"),
    "kid SQL": header(kid="x' OR 1=1 --"),
    "kid upper case": header(kid=kid(KEY).upper()),
    "kid and more": header(kid=kid(KEY) + "\x00"),
    "typ JWT": header(typ="JWT"),
    "typ missing": header(typ=...),
    "typ upper case": header(typ="EVERYCLICK+JWT"),
    "header list": lambda c: signed([HEADER], c, KEY),
    "header text": lambda c: signed("{", c, KEY),
    "zip": header(zip="DEF"),
    "expired": later("exp", -60),
    "nbf to come": later("nbf", 600),
    "iat to come": later("iat", 600),
    "longer than a year": later("exp", 367 * DAY),
    **{f"no {name}": claim(**{name: ...}) for name in ("iss", "aud", "sub", "jti", "iat", "exp")},
    **{
        f"null {name}": claim(**{name: None}) for name in ("iss", "aud", "sub", "jti", "iat", "exp")
    },
    **{f"list {name}": claim(**{name: []}) for name in ("iss", "aud", "sub", "jti", "iat", "exp")},
    **{
        f"true {name}": claim(**{name: True}) for name in ("iss", "aud", "sub", "jti", "iat", "exp")
    },
    **{f"map {name}": claim(**{name: {}}) for name in ("iss", "aud", "sub", "jti", "iat", "exp")},
    "aud wrong": claim(aud="other"),
    "aud part": claim(aud="every"),
    "iss wrong": claim(iss="other"),
    "iss part": claim(iss="everyclic"),
    "iss more": claim(iss="everyclick.example"),
    "sub int": lambda c: claim(sub=int(c["sub"]))(c),
    "sub zero": claim(sub="0"),
    "sub negative": claim(sub="-1"),
    "sub spaces": lambda c: claim(sub=f" {c['sub']} ")(c),
    "sub other digits": claim(sub="\u0661"),
    "sub huge": claim(sub="9" * 2000),
    "sub SQL": claim(sub="1 OR 1=1"),
    "sub surrogate": claim(sub="\ud800"),
    "jti no UUID": claim(jti="x"),
    "jti surrogate": claim(jti="\udfff"),
    "jti another": claim(jti=str(uuid4())),
    "iss surrogate": claim(iss="\ud800"),
    "exp text": lambda c: claim(exp=str(c["exp"]))(c),
    "exp float": later("exp", 0.5 + DAY),
    "exp huge": claim(exp=10**30),
    "exp past the calendar": claim(exp=10**18),
    "exp huge float": claim(exp=1e308),
    "exp NaN": lambda c: signed(HEADER, json.dumps({**c, "exp": float("nan")}), KEY),
    "exp infinite": lambda c: signed(HEADER, json.dumps({**c, "exp": float("inf")}), KEY),
    "exp of 3,000 digits": lambda c: signed(
        HEADER, json.dumps({**c, "exp": 0}).replace(" 0}", " " + "9" * 2500 + "}"), KEY
    ),
    "iat text": lambda c: claim(iat=str(c["iat"]))(c),
    "iat huge": claim(iat=10**30),
    "nbf text": claim(nbf="soon"),
    "claims list": lambda c: signed(HEADER, [c], KEY),
    "claims text": lambda c: signed(HEADER, '"x"', KEY),
    "claims nested": lambda c: signed(HEADER, "[" * 1500, KEY),
    "claims no JSON": lambda c: signed(HEADER, "{", KEY),
    "two segments": lambda c: good(c).rpartition(".")[0],
    "one segment": lambda c: good(c).partition(".")[0],
    "four segments": lambda c: f"{good(c)}.x",
    "five segments": lambda c: f"{good(c)}.x.y",
    "no token": lambda c: "",
    "!": lambda c: f"{good(c)}!",
    "==": lambda c: f"{good(c)}==",
    "comma": lambda c: f"{good(c)},{good(c)}",
    "NUL, escaped": lambda c: f"{good(c)}%00",
    "cut": lambda c: good(c)[:-1],
    "upper case": lambda c: good(c).upper(),
    "latin": lambda c: good(c) + "ü",
    "5,000 characters": lambda c: good(c) + "A" * 5000,
}


async def test_the_token_all_others_are_made_from_holds(client: Client, claims: Claims) -> None:
    """Unchanged it is 200: nothing here is refused for another reason than the one it names."""
    response = await client.get(ME, headers={"Authorization": f"Bearer {good(claims)}"})
    assert 200 == response.status


def unnamed(problem: Claims) -> Claims:
    """Return a problem without the request's id, which is each one's own."""
    return {name: value for name, value in problem.items() if name != "request_id"}


@pytest.mark.parametrize("forge", CORPUS.values(), ids=CORPUS.keys())
async def test_any_other_is_one_and_the_same_401(
    client: Client, claims: Claims, forge: Forge
) -> None:
    """Status, body and challenge are those of no token at all; the cookie is read no other way."""
    nothing = unnamed(await (await client.get(ME)).json())
    token = forge(claims)
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"Cookie": f"everyclick_session={token}"},
    ):
        response = await client.get(ME, headers=headers)
        assert (401, "Bearer") == (response.status, response.headers["WWW-Authenticate"])
        assert nothing == unnamed(await response.json())


@pytest.mark.parametrize("parameter", ["jku", "x5u", "x5c", "jwk"])
async def test_no_key_is_fetched(client: Client, claims: Claims, parameter: str) -> None:
    """A header that says where a key is, or brings one, is refused; nobody calls there."""
    calls: list[bytes] = []

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(await reader.read(100))
        writer.close()

    canary = await asyncio.start_server(called, "127.0.0.1", 0)
    async with canary:
        url = f"http://127.0.0.1:{canary.sockets[0].getsockname()[1]}/keys.json"
        brought = {"kty": "oct", "k": segment("z" * 32)} if parameter == "jwk" else url
        for key in (KEY, b"z" * 32):
            token = signed({**HEADER, parameter: brought}, claims, key)
            response = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
            assert 401 == response.status
    assert [] == calls


async def test_a_megabyte_of_token_is_not_decoded(
    client: Client, app: Application, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The length is looked at first; over HTTP the header's own limit comes before that."""
    decoded: list[str] = []
    monkeypatch.setattr(jwt, "get_unverified_header", decoded.append)
    token = good(claims) + "A" * 1_000_000
    with pytest.raises(Unauthenticated):
        app[TOKENS].read(token)
    response = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
    assert 400 == response.status
    assert [] == decoded


async def test_keys_are_rotated(
    settings: ServiceSettings, database: Database, db: psycopg.AsyncConnection
) -> None:
    """A token of the key before is 200 while that key is listed, and 401 once it is not."""
    old, new = b"o" * 32, b"n" * 32
    user = await user_create(db, "ada@example.com", "!")
    assert user is not None
    session = await begin(db, Tokens(old), user.id, datetime.now(UTC))
    headers = {"Authorization": f"Bearer {session.token}"}
    listed = settings.model_copy(update={"secret_keys_old": SecretStr(old.decode())})
    for told, status in ((listed, 200), (settings, 401)):
        app = create_app(told, database, new, lambda _: None)
        async with TestClient(TestServer(app), trace_configs=[checking()]) as client:
            assert status == (await client.get(ME, headers=headers)).status
