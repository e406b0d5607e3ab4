"""Every authentication scheme, against servers that verify it by the RFC's text."""

import asyncio

import pytest
from tests.servers.auth import DigestGuard, OAuth1Guard, TokenIssuer

from zeebe_connectors.testing.servers import HttpServer, Reply


@pytest.fixture
def open_server(server):
    server.answer("*", Reply.json({"ok": True}))
    return server


@pytest.mark.parametrize("given", [None, {}, {"type": "noAuth"}, {"type": "NOAUTH"}])
async def test_none(rest, open_server, given):
    """No authentication, however it is written, sends no credentials."""
    await rest(open_server.url(), authentication=given)
    assert not open_server.last.all("Authorization")


@pytest.mark.parametrize(
    ("password", "header"),
    [
        ("p:ä", "Basic dcO8OnA6w6Q="),
        ("", "Basic dcO8Og=="),
        (None, "Basic dcO8Og=="),
        ("SPEC_PASSWORD_EMPTY_PATTERN", "Basic dcO8Og=="),
    ],
)
async def test_basic(rest, open_server, password, header):
    """User name and password in UTF-8; the password may be empty, also by the official runtime's word for it."""
    await rest(open_server.url(), authentication={"type": "basic", "username": "uü", "password": password})
    assert open_server.last.header("Authorization") == header.replace("dcO8", "dcO8")


async def test_bearer(rest, open_server):
    """The token goes into the header; blanks around it, as files have them, do not."""
    await rest(open_server.url(), authentication={"type": "bearer", "token": " abc.def\n"})
    assert open_server.last.header("Authorization") == "Bearer abc.def"


async def test_api_key(rest, open_server):
    """An API key in a header, by default or named, or in the query, encoded."""
    key = {"type": "apiKey", "name": "X-Key", "value": "k&1"}
    await rest(open_server.url(), authentication=key)
    assert open_server.last.header("X-Key") == "k&1"
    await rest(open_server.url("/p?a=1"), authentication=key | {"apiKeyLocation": "query"}, queryParameters={"b": 2})
    assert open_server.last.target == "/p?a=1&b=2&X-Key=k%261"


async def test_scheme_beats_header(rest, open_server):
    """One Authorization header goes out: the scheme's, not a second one that was written as a header."""
    await rest(
        open_server.url(), authentication={"type": "bearer", "token": "scheme"}, headers={"authorization": "by hand"}
    )
    assert open_server.last.header("Authorization") == "Bearer scheme"


async def test_authentication_configuration(rest, open_server):
    """A chosen configuration takes the place of what the form says."""
    await rest(
        open_server.url(),
        authentication={"type": "basic", "username": "inline", "password": "x"},
        authenticationConfiguration={"authentication": {"type": "bearer", "token": "stored"}},
    )
    assert open_server.last.header("Authorization") == "Bearer stored"


async def test_line_break_in_token(rest, open_server):
    """A token with a line break inside is refused and not shown."""
    error = await rest.error(open_server.url(), authentication={"type": "bearer", "token": "abc\r\nX-Evil: 1"})
    assert error.code == "HEADER_INVALID"
    assert "Evil" not in error.message
    assert "abc" not in error.message


DIGEST = {"type": "digest", "username": "alice", "password": "s3cret"}


@pytest.mark.parametrize("algorithm", [None, "MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256"])
@pytest.mark.parametrize("qop", ["auth", "auth-int", "auth,auth-int", None])
async def test_digest(rest, server, algorithm, qop):
    """Digest with every algorithm and protection; after the first challenge, answers come without a round trip."""
    guard = DigestGuard(algorithm=algorithm, qop=qop)
    server.answer("*", guard)
    for number in range(3):
        result = await rest(server.url("/a%2Fb c?q=ü&r='x'"), method="POST", body={"n": number}, authentication=DIGEST)
        assert result["body"] == {"user": "alice"}
    assert guard.challenges == 1
    assert len(server.seen) == 4


async def test_digest_stale_nonce(rest, server):
    """A nonce that the server lets expire is replaced without a failure."""
    server.answer("*", DigestGuard(uses=2))
    for _ in range(6):
        assert (await rest(server.url("/"), authentication=DIGEST))["status"] == 200


async def test_digest_user_hash(rest, server):
    """A server that wants the user name hashed gets it so."""
    server.answer("*", DigestGuard(userhash=True))
    assert (await rest(server.url("/"), authentication=DIGEST))["status"] == 200


async def test_digest_many_at_once(rest, server):
    """Jobs at the same time never use a nonce count twice."""
    server.answer("*", DigestGuard())
    results = await asyncio.gather(*(rest(server.url(f"/{n}"), authentication=DIGEST) for n in range(30)))
    assert {result["status"] for result in results} == {200}


async def test_digest_wrong_password(rest, server):
    """A refused login is 401 after two tries, not an endless loop; also when a challenge is known already."""
    server.answer("*", DigestGuard())
    for _ in range(2):
        error = await rest.error(server.url("/"), authentication=DIGEST | {"password": "wrong"})
        assert (type(error).__name__, error.code) == ("ConnectorError", "401")
    assert len(server.seen) <= 4


@pytest.mark.parametrize(
    "challenges",
    [
        ['Digest realm="Sales, Digest area", nonce="n1", qop="auth"'],
        ['Digest realm="basic, ntlm, digest x=y", nonce="n1", opaque="a, Basic realm=b"'],
        ['Basic realm="b, Digest nonce=\\"x\\"", Digest nonce="n1", realm="r", qop=auth'],
        ['Digest realm="r", nonce="n1", qop="auth", SCRAM-SHA-256 realm="s", nonce="n2"'],
        ['NTLM TlRM/a+b==, Negotiate, Digest realm="r",nonce="n1",qop="auth-int"'],
        ['Digest realm="r"; nonce="n1"; qop="auth"'],
        ["Negotiate", 'DIGEST\trealm = "r" , nonce = "n1" , qop = ""', "Custom a=b"],
        ['Digest realm="r", nonce="n0", algorithm=WHIRL, Digest realm="r", nonce="n1", algorithm="md5"'],
        ['Digest realm="r", nonce="n2", algorithm=MD5', 'Digest realm="r", nonce="n1", algorithm=SHA-256'],
    ],
)
async def test_digest_among_other_challenges(rest, server, challenges):
    """Whatever the texts in quotes hold, and whatever stands before and after it."""

    def answer(seen):
        if given := seen.header("Authorization"):
            return Reply.json({"given": given})
        return Reply(401, b"", [("WWW-Authenticate", text) for text in challenges], "Unauthorized")

    server.answer("*", answer)
    given = (await rest(server.url("/"), authentication=DIGEST))["body"]["given"]
    assert ', nonce="n1", ' in given


async def test_digest_next_nonce(rest, server):
    """A server that gives each answer's next nonce sees no request without it."""
    guard = DigestGuard(uses=1)

    def answer(seen):
        reply = guard(seen)
        if reply.status == 200:
            guard.nonces["next+"] = set()
            reply.headers.append(("Authentication-Info", 'rspauth="6629", nextnonce="next+", qop=auth'))
        return reply

    server.answer("*", answer)
    for _ in range(4):
        assert (await rest(server.url("/"), authentication=DIGEST))["status"] == 200
    assert len(server.seen) == 5


async def test_digest_of_a_name_written_in_two_ways(rest, server):
    """With `charset=UTF-8`, a letter and an accent sign the same as the letter with the accent."""
    guard = DigestGuard(user=("J\u00e4s\u00f8n", "s\u00e9cret"))

    def answer(seen):
        reply = guard(seen)
        reply.headers = [(name, f"{text}, charset=UTF-8") for name, text in reply.headers]
        return reply

    server.answer("*", answer)
    login = DIGEST | {"username": "Ja\u0308s\u00f8n", "password": "se\u0301cret"}
    assert (await rest(server.url("/"), authentication=login))["status"] == 200


async def test_digest_not_offered(rest, server):
    """A server that offers no Digest is told as 401."""
    server.answer("*", Reply(401, b"", [("WWW-Authenticate", 'Bearer realm="x"')], "Unauthorized"))
    assert (await rest.error(server.url("/"), authentication=DIGEST)).code == "401"
    assert len(server.seen) == 1


async def test_a_challenge_says_why(rest, server):
    """Services that follow RFC 6750 explain themselves in the header alone."""
    challenge = 'Bearer realm="x", error="invalid_token", error_description="The access token expired"'
    server.answer("*", Reply(401, b"", [("WWW-Authenticate", challenge)], "Unauthorized"))
    error = await rest.error(server.url("/"))
    assert "(The access token expired)" in error.message


@pytest.fixture(scope="module")
def rsa_key():
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa", reason="cryptography is not installed")
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415

    key = rsa.generate_private_key(65537, 2048)
    return key.public_key(), key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    ).decode()


OAUTH1 = {
    "type": "oauth1",
    "consumerKey": "ck",
    "consumerSecret": "c&s",
    "token": "tk",
    "tokenSecret": "t=s",
    "realm": "a realm",
}


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT", "RSA-SHA1", "RSA-SHA256"])
async def test_oauth1(rest, server, method, rsa_key):
    """OAuth 1.0a over query, form fields and JSON bodies, verified against the signature base string."""
    public, private = rsa_key
    guard = OAuth1Guard(public_key=public)
    server.answer("*", guard)
    scheme = OAUTH1 | {"signatureMethod": method, "privateKey": private}
    url = server.url("/a%20b/é?b=2&a=%C3%A9%20x&a=1")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await rest(url, authentication=scheme, queryParameters={"c@": "=%3D"}))["status"] == 200
    assert (await rest(url, method="POST", body={"z": "ü &", "y": "1"}, headers=form, authentication=scheme))[
        "status"
    ] == 200
    assert (await rest(url, method="POST", body={"a": 1}, authentication=scheme))["status"] == 200
    assert 'realm="a realm"' in server.last.header("Authorization")


@pytest.mark.parametrize("query", ["filter[a][0]=1&filter[a][1]=é", "flag&=x&a=&a", "a=b;c|d&t={x}'\"", "a=%5B+%2B"])
async def test_oauth1_of_any_query(rest, server, query):
    """Brackets and the like are sent as they are, and signed as the RFC says; in a form too."""
    server.answer("*", OAuth1Guard())
    assert (await rest(server.url(f"/x?{query}"), authentication=OAUTH1))["status"] == 200
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (query, "a=b c"):
        sent = await rest(server.url("/x"), method="POST", body=body, headers=form, authentication=OAUTH1)
        assert sent["status"] == 200
        assert server.last.body == body.encode()


async def test_oauth1_for_the_application_alone(rest, server):
    """Without a token, the consumer signs alone."""
    server.answer("*", OAuth1Guard(token=None))
    scheme = {"type": "oauth1", "consumerKey": "ck", "consumerSecret": "c&s"}
    assert (await rest(server.url("/"), authentication=scheme))["status"] == 200


async def test_oauth1_wrong_secret(rest, server):
    """The server notices a wrong secret, so the tests above mean something."""
    server.answer("*", OAuth1Guard())
    assert (await rest.error(server.url("/"), authentication=OAUTH1 | {"tokenSecret": "no"})).code == "401"


async def test_oauth1_key_missing(rest, server):
    """RSA without a key, or with something else, is an input error that names the field."""
    error = await rest.error(server.url("/"), authentication=OAUTH1 | {"signatureMethod": "RSA-SHA1"})
    assert "authentication.privateKey" in error.message
    error = await rest.error(
        server.url("/"), authentication=OAUTH1 | {"signatureMethod": "RSA-SHA256", "privateKey": "no key"}
    )
    assert error.code == "AUTHENTICATION_INVALID"
    assert "no key" not in error.message


def guarded(server, issuer):
    server.answer("/token", issuer.token)
    server.answer("*", issuer.resource)
    return {
        "type": "oauth-client-credentials-flow",
        "oauthTokenEndpoint": server.url("/token"),
        "clientId": issuer.client[0],
        "clientSecret": issuer.client[1],
        "clientAuthentication": "credentialsBody" if issuer.how == "body" else "basicAuthHeader",
        "audience": "",
        "scopes": "",
    }


@pytest.mark.parametrize("how", ["basic", "encoded", "body"])
async def test_client_credentials(rest, server, how):
    """Client credentials in each of the ways that servers want them; audience and scopes only when given."""
    issuer = TokenIssuer(how=how)
    scheme = guarded(server, issuer)
    result = await rest(server.url("/x"), authentication=scheme)
    assert result["body"] == {"token": "token-1"}
    assert not {"audience", "scope"} & set(issuer.forms[-1])
    await rest(server.url("/x"), authentication=scheme | {"audience": "aud", "scopes": " a  b "})
    assert (issuer.forms[-1]["audience"], issuer.forms[-1]["scope"]) == ("aud", "a b")


async def test_one_token_for_all(rest, server):
    """Fifty jobs at once and fifty later fetch one token; other settings have their own."""
    issuer = TokenIssuer()
    scheme = guarded(server, issuer)
    await asyncio.gather(*(rest(server.url("/x"), authentication=scheme) for _ in range(50)))
    await asyncio.gather(*(rest(server.url("/x"), authentication=scheme) for _ in range(50)))
    assert issuer.issued == 1
    await rest(server.url("/x"), authentication=scheme | {"scopes": "other"})
    assert issuer.issued == 2


async def test_token_is_renewed_before_its_end(rest, server):
    """A token is not used in the last tenth of its life, nor is a fresh one fetched for every job because of that."""
    issuer = TokenIssuer(life=2)
    scheme = guarded(server, issuer)
    await rest(server.url("/x"), authentication=scheme)
    await rest(server.url("/x"), authentication=scheme)
    assert issuer.issued == 1
    await asyncio.sleep(1.9)
    await rest(server.url("/x"), authentication=scheme)
    assert issuer.issued == 2


@pytest.mark.parametrize("life", [None, "soon", 0, 10**400, [60]], ids=lambda life: str(life)[:9])
async def test_token_of_unknown_life(rest, server, life):
    """A token without a usable `expires_in` serves one job."""
    issuer = TokenIssuer(life=life)
    scheme = guarded(server, issuer)
    await rest(server.url("/x"), authentication=scheme)
    await rest(server.url("/x"), authentication=scheme)
    assert issuer.issued == 2


async def test_refused_token_is_replaced_once(rest, server):
    """A token that the service does not take any more is replaced, once, for all jobs together."""
    issuer = TokenIssuer()
    scheme = guarded(server, issuer)
    await rest(server.url("/x"), authentication=scheme)
    issuer.valid.clear()
    results = await asyncio.gather(
        *(rest(server.url("/x"), method="POST", body={"n": n}, authentication=scheme) for n in range(20))
    )
    assert {result["body"]["token"] for result in results} == {"token-2"}
    assert issuer.issued == 2


async def test_refusal_that_stays(rest, server):
    """A service that refuses new tokens too gets two requests and no third."""
    issuer = TokenIssuer()
    scheme = guarded(server, issuer)
    server.answer("/closed", Reply(401, b"", [], "Unauthorized"))
    error = await rest.error(server.url("/closed"), authentication=scheme)
    assert error.code == "401"
    assert [seen.path for seen in server.seen] == ["/token", "/closed", "/token", "/closed"]


async def test_token_somewhere_inside(rest, server):
    """A token endpoint that wraps its answer is understood."""
    scheme = guarded(server, TokenIssuer(wrapped=True))
    assert (await rest(server.url("/x"), authentication=scheme))["body"] == {"token": "token-1"}


async def test_wrong_client(rest, server):
    """A token endpoint's refusal has its status as the code, and says that it was the token endpoint."""
    scheme = guarded(server, TokenIssuer())
    error = await rest.error(server.url("/x"), authentication=scheme | {"clientSecret": "canary-9"})
    assert (type(error).__name__, error.code) == ("ConnectorError", "401")
    assert "The token endpoint" in error.message
    assert "invalid_client" in error.message
    assert error.variables["reason"] == "invalid_client"
    assert "canary-9" not in f"{error.message}{error.variables}"
    assert all(seen.path == "/token" for seen in server.seen)


@pytest.mark.parametrize(
    "answer", [Reply(200, b"<html>"), Reply.json({}), Reply.json({"access_token": ""}), Reply.json([])]
)
async def test_no_token_in_the_answer(rest, server, answer):
    """An answer without a token has its own code."""
    scheme = guarded(server, TokenIssuer())
    server.answer("/token", answer)
    assert (await rest.error(server.url("/x"), authentication=scheme)).code == "OAUTH_TOKEN_ERROR"


async def test_token_endpoint_is_away(rest, server):
    """A token endpoint that cannot be reached is told by its own address."""
    scheme = guarded(server, TokenIssuer()) | {"oauthTokenEndpoint": "http://idp.invalid/token"}
    error = await rest.error(server.url("/x"), authentication=scheme)
    assert (error.code, error.variables) == ("408", {"reason": "name-not-resolved"})
    assert "http://idp.invalid" in error.message


def refreshing(server, issuer):
    server.answer("/token", issuer.token)
    server.answer("*", issuer.resource)
    return {
        "type": "oauth-refresh-token",
        "oauthTokenEndpoint": server.url("/token"),
        "clientId": "cid",
        "refreshToken": "refresh-0",
        "clientSecret": None,
    }


@pytest.mark.parametrize("rotates", [False, True])
async def test_refresh_token(rest, server, rotates):
    """A refresh token gives tokens again and again, also where the server replaces it with each use."""
    issuer = TokenIssuer(rotates=rotates)
    scheme = refreshing(server, issuer)
    for _ in range(3):
        assert (await rest(server.url("/x"), authentication=scheme))["status"] == 200
        issuer.valid.clear()
    assert issuer.issued == 3
    assert issuer.forms[0] == {"grant_type": "refresh_token", "client_id": "cid", "refresh_token": "refresh-0"}


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_refresh_token_that_is_replaced_only_sometimes(rest, server, wrapped):
    """An answer without one leaves the last one in use; the server knows the diagram's no more."""
    issuer = TokenIssuer(rotates=True, wrapped=wrapped)
    scheme = refreshing(server, issuer)
    for rotates in (True, False, False, True, False):
        issuer.rotates = rotates
        assert (await rest(server.url("/x"), authentication=scheme))["status"] == 200
        issuer.valid.clear()
    used = [form["refresh_token"] for form in issuer.forms]
    assert used == ["refresh-0", "refresh-1", "refresh-1", "refresh-1", "refresh-4"]


async def test_refresh_token_with_secret_and_scopes(rest, server):
    """Secret and scopes go along when they are given."""
    issuer = TokenIssuer()
    await rest(server.url("/x"), authentication=refreshing(server, issuer) | {"clientSecret": "s", "scopes": "a"})
    assert (issuer.forms[0]["client_secret"], issuer.forms[0]["scope"]) == ("s", "a")


async def test_refresh_token_that_ended(rest, server):
    """A refused refresh token: the status is the code as in the contract, the reason says why."""
    issuer = TokenIssuer()
    error = await rest.error(server.url("/x"), authentication=refreshing(server, issuer) | {"refreshToken": "old"})
    assert (error.code, error.variables["reason"]) == ("400", "invalid_grant")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("invalid_grant", "OAUTH_REFRESH_TOKEN_EXPIRED"),
        ("interaction_required", "OAUTH_INTERACTION_REQUIRED"),
        ("other", "OAUTH_TOKEN_ERROR"),
    ],
)
async def test_refresh_errors_in_a_good_answer(rest, server, reply, code):
    """An error inside an answer below 400 has the contract's code."""
    scheme = refreshing(server, TokenIssuer())
    server.answer("/token", Reply.json({"error": reply}))
    assert (await rest.error(server.url("/x"), authentication=scheme)).code == code


async def test_token_is_for_one_origin(rest, server):
    """A redirect to another host takes no credentials along, whatever the scheme."""
    async with HttpServer() as elsewhere:
        elsewhere.answer("*", Reply.json({"here": True}))
        server.answer("*", Reply(307, b"", [("Location", elsewhere.url("/there"))], "Moved"))
        for scheme in (
            {"type": "basic", "username": "u", "password": "p"},
            {"type": "bearer", "token": "t"},
            {"type": "apiKey", "name": "X-Key", "value": "k"},
            {"type": "apiKey", "name": "key", "value": "k", "apiKeyLocation": "query"},
            OAUTH1,
        ):
            await rest(
                server.url("/here"),
                authentication=scheme,
                followRedirects=True,
                headers={"Cookie": "sid=1", "X-Other": "stays"},
            )
            seen = elsewhere.last
            assert not [seen.all(name) for name in ("Authorization", "Cookie", "X-Key") if seen.all(name)]
            assert seen.header("X-Other") == "stays"
            assert seen.query == []
