"""What a token endpoint says reaches the person, in whatever form; and a token is renewed once, for all."""

import asyncio

import pytest
from tests.servers.auth import TokenIssuer

from zeebe_connectors.testing.servers import Reply


def guarded(server, issuer):
    server.answer("/token", issuer.token)
    server.answer("*", issuer.resource)
    return {
        "type": "oauth-client-credentials-flow",
        "oauthTokenEndpoint": server.url("/token"),
        "clientId": issuer.client[0],
        "clientSecret": issuer.client[1],
    }


async def test_an_answer_that_is_a_form(rest, server):
    """As older services send it; what it holds is used, and stands in no message."""
    login = guarded(server, TokenIssuer())
    kind = [("Content-Type", "application/x-www-form-urlencoded")]
    server.answer("/token", Reply(200, b"access_token=canary-91&token_type=bearer&expires_in=10", kind))
    server.answer("*", lambda seen: Reply.json({"sent": seen.header("Authorization")}))
    assert (await rest(server.url(), authentication=login))["body"] == {"sent": "Bearer canary-91"}


@pytest.mark.parametrize("answer", [b"canary-91", b'"canary-91"', b"token=canary-91"])
async def test_what_may_be_a_token_is_not_repeated(rest, server, answer):
    """A good answer in a form that nobody knows may hold the token."""
    login = guarded(server, TokenIssuer())
    server.answer("/token", Reply(200, answer, [("Content-Type", "text/plain")]))
    error = await rest.error(server.url(), authentication=login)
    assert error.code == "OAUTH_TOKEN_ERROR"
    assert "canary" not in f"{error.message}{error.variables}"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reply(200, b"", []), "its answer is empty"),
        (Reply(200, b"eyJhbGciOi", [("Content-Type", "text/plain")]), "a text, not JSON"),
        (Reply.json({"id_token": "canary-91", "scope": "x"}), "no access_token, only id_token, scope"),
        (Reply.json({"access_token": None}), "not text, or empty"),
        (Reply.json({"access_token": "  "}), "not text, or empty"),
        (Reply.json({}), "has no access_token"),
    ],
)
async def test_what_came_instead_of_a_token(rest, server, answer, words):
    """By its form and its names only."""
    login = guarded(server, TokenIssuer())
    server.answer("/token", answer)
    error = await rest.error(server.url(), authentication=login)
    assert (error.code, words in error.message) == ("OAUTH_TOKEN_ERROR", True)
    assert "canary" not in error.message


async def test_a_token_with_its_scheme_before_it(rest, server):
    """Some services answer `Bearer x`; `Bearer Bearer x` would be refused."""
    login = guarded(server, TokenIssuer())
    server.answer("/token", Reply.json({"access_token": "Bearer abc", "expires_in": 10}))
    server.answer("*", lambda seen: Reply.json({"sent": seen.header("Authorization")}))
    assert (await rest(server.url(), authentication=login))["body"] == {"sent": "Bearer abc"}


@pytest.mark.parametrize("how", ["basicAuthHeader", "credentialsBody"])
async def test_a_secret_that_is_repeated(rest, server, how):
    """An endpoint that quotes the secret in its refusal gives it away to nobody."""
    login = guarded(server, TokenIssuer()) | {"clientAuthentication": how, "clientSecret": "canary-91"}
    words = {"error": "invalid_client", "error_description": "canary-91 is wrong"}
    server.answer("/token", Reply.json(words, 401))
    error = await rest.error(server.url(), authentication=login)
    assert "*** is wrong" in error.message
    assert "canary" not in f"{error.message}{error.variables}"


PAGE = (
    b"<!DOCTYPE html><html><head><title>\n Sign in &amp; go on </title><style>x{}</style></head><body>Hi</body></html>"
)


@pytest.mark.parametrize(
    ("answer", "code", "reason", "words"),
    [
        (
            Reply.json(
                {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client\n secret."}, 401
            ),
            "401",
            "invalid_client",
            "invalid_client: AADSTS7000215: Invalid client secret.",
        ),
        (Reply.json({"error_description": "only words"}, 400), "400", None, "only words"),
        (Reply.json({"message": "Forbidden for you"}, 403), "403", None, "Forbidden for you"),
        (
            Reply.json({"error": {"status": "UNAUTHENTICATED", "message": "no such account"}}, 401),
            "401",
            "UNAUTHENTICATED",
            "UNAUTHENTICATED: no such account",
        ),
        (Reply(404, PAGE, [("Content-Type", "text/html")], "Not Found"), "404", None, 'a page: "Sign in & go on"'),
        (Reply(200, PAGE, [("Content-Type", "text/html")]), "OAUTH_TOKEN_ERROR", "no-token", "Sign in & go on"),
        (
            Reply(500, b"<html><body><h1>Oops</h1> it <b>broke</b></body></html>", [], "Error"),
            "500",
            None,
            'a page: "Oops it broke"',
        ),
        (Reply(400, b"plain words", [], "Bad Request"), "400", None, "plain words"),
        (
            Reply(302, b"", [("Location", "https://login.example.com/authorize?state=canary-91")], "Found"),
            "OAUTH_TOKEN_ERROR",
            "redirect",
            "redirects to https://login.example.com/authorize",
        ),
        (Reply(301, b"", [("Location", "/v2/token")], "Moved"), "OAUTH_TOKEN_ERROR", "redirect", "/v2/token"),
        (Reply.json({"error": "slow_down", "error_description": "x" * 999}), "OAUTH_TOKEN_ERROR", "slow_down", "xxx…"),
    ],
)
async def test_its_words(rest, server, answer, code, reason, words):
    """The error's description, a page's title, where a redirect leads: in the message, short and on one line."""
    scheme = guarded(server, TokenIssuer())
    server.answer("/token", answer)
    error = await rest.error(server.url("/x"), authentication=scheme)
    assert (error.code, error.variables.get("reason")) == (code, reason)
    assert words in error.message
    assert "The token endpoint" in error.message
    assert "\n" not in error.message
    assert len(error.message) < 600
    assert "canary-91" not in error.message
    assert all(seen.path == "/token" for seen in server.seen)


async def test_an_echoed_assertion_is_masked(rest, server):
    """An endpoint that repeats the assertion in its refusal does not bring it into an error."""
    from tests.servers.pairs import Pair  # noqa: PLC0415

    server.answer("/token", lambda seen: Reply(400, seen.form["client_assertion"].encode(), [], "Bad Request"))
    error = await rest.error(
        server.url("/x"),
        authentication={
            "type": "oauth-private-key-jwt",
            "oauthTokenEndpoint": server.url("/token"),
            "clientId": "c",
            "privateKey": Pair("client").key_pem(),
        },
    )
    assert server.last.form["client_assertion"] not in f"{error.message}{error.variables}"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_forbidden_with_a_cached_token(rest, server, method):
    """A cached token that is not allowed something is replaced once, as rights may be newer than it."""
    issuer = TokenIssuer()
    scheme = guarded(server, issuer)
    await rest(server.url("/x"), authentication=scheme)

    def allowed(seen):
        new = seen.header("Authorization") == "Bearer token-2"
        return Reply.json({"ok": True}) if new else Reply(403, b"no", [], "Forbidden")

    server.answer("/rights", allowed)
    results = await asyncio.gather(
        *(rest(server.url("/rights"), method=method, authentication=scheme) for _ in range(10))
    )
    assert [result["status"] for result in results] == [200] * 10
    assert issuer.issued == 2


async def test_forbidden_that_stays(rest, server):
    """A service that goes on refusing costs one new token, not one for each job; a fresh token is not replaced."""
    issuer = TokenIssuer()
    scheme = guarded(server, issuer)
    server.answer("/closed", Reply(403, b"", [], "Forbidden"))
    for number in range(5):
        assert (await rest.error(server.url("/closed"), authentication=scheme)).code == "403"
        assert issuer.issued == (1 if number == 0 else 2)
    assert len([seen for seen in server.seen if seen.path == "/closed"]) == 6


async def test_a_right_that_comes_later_still_renews_after_a_401(rest, server):
    """A token that stayed after a 403 is still replaced when it is refused as such."""
    issuer = TokenIssuer()
    scheme = guarded(server, issuer)
    server.answer("/closed", Reply(403, b"", [], "Forbidden"))
    for _ in range(3):
        await rest.error(server.url("/closed"), authentication=scheme)
    issuer.valid.clear()
    assert (await rest(server.url("/x"), authentication=scheme))["body"] == {"token": "token-3"}
