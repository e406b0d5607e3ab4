"""Schemes of clouds, of Windows and of OAuth 2.0's rarer grants, against servers that verify them; right and wrong."""

import asyncio
import base64
import json
import ssl

import pytest
import trustme
from tests.servers.auth import NtlmGuard, TokenIssuer
from tests.servers.pairs import Pair, jks
from tests.servers.signatures import AssertionIssuer, AwsGuard, AzureGuard

from zeebe_connectors.connectors.graphql.connector import Request as GraphQL
from zeebe_connectors.connectors.rest.connector import Request as Rest
from zeebe_connectors.connectors.soap.inputs import Request as Soap
from zeebe_connectors.sdk.annotations import leaf_types, literals
from zeebe_connectors.testing.servers import HttpServer, Reply
from zeebe_connectors.web.auth import SCHEMES


@pytest.fixture(scope="module")
def pair():
    return Pair("client")


def types(model, field):
    return [
        literals(kind.model_fields["type"].annotation)[0] for kind in leaf_types(model.model_fields[field].annotation)
    ]


def test_all_connectors_offer_all_schemes():
    """One union for all, and a label for each."""
    assert types(Rest, "authentication") == types(GraphQL, "authentication") == types(Soap, "http_authentication")
    assert types(Rest, "authentication") == list(SCHEMES)


async def test_custom(rest, server):
    """Scheme name, one space, credentials."""
    server.answer("*", Reply.json({}))
    await rest(
        server.url(), authentication={"type": "custom", "schemeName": " GoogleLogin ", "credentials": "auth=x y\n"}
    )
    assert server.last.header("Authorization") == "GoogleLogin auth=x y"


@pytest.mark.parametrize("name", ["", "Two words", "Token:", "Tökén", "a\r\nb"])
async def test_custom_name_is_one_word(rest, server, name):
    """A scheme name that is none is an input error."""
    error = await rest.error(server.url(), authentication={"type": "custom", "schemeName": name, "credentials": "c"})
    assert (error.code, "schemeName" in error.message) == ("INVALID_INPUT", True)


AWS = {
    "type": "aws",
    "accessKeyId": "AKID",
    "secretAccessKey": "s3cr/et+",
    "region": "eu-central-1",
    "service": "s3",
}
AWS_CALLS = {
    "get": {"path": "/bucket/a%20b/%C3%A9+(1)'.txt"},
    "list": {"path": "/bucket", "queryParameters": {"prefix": "a/b c", "list-type": 2, "delimiter": "/"}},
    "subresource": {"path": "/bucket?acl"},
    "put": {"path": "/bucket/new file.txt", "method": "PUT", "body": "héllo", "headers": {"x-amz-acl": "private"}},
}


@pytest.mark.parametrize("signature", ["v4-header", "v4-query", "v2-header"])
@pytest.mark.parametrize("call", AWS_CALLS)
async def test_aws(rest, server, signature, call):
    """S3's reads and writes, each signature; the secret itself never leaves."""
    server.answer("*", AwsGuard())
    given = {**AWS_CALLS[call], "authentication": AWS | {"signature": signature}}
    result = await rest(server.url(given.pop("path")), **given)
    assert result["status"] == 200
    assert "s3cr/et+" not in str(server.seen)


async def test_aws_of_a_query_service(rest, server):
    """RDS: an action in the query of a GET, or in the form of a POST."""
    server.answer("*", AwsGuard(service="rds"))
    rds = AWS | {"service": "rds"}
    query = {"Action": "DescribeDBInstances", "Version": "2014-10-31", "Filter": "a b+c"}
    for signature in ("v4-header", "v4-query"):
        result = await rest(server.url(), queryParameters=query, authentication=rds | {"signature": signature})
        assert result["status"] == 200
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await rest(server.url(), method="POST", headers=form, body=query, authentication=rds))["status"] == 200
    assert (await rest(server.url("/a/./b//c/"), authentication=rds))["status"] == 200


async def test_aws_session_token(rest, server):
    """Temporary credentials are signed with their token."""
    server.answer("*", AwsGuard(token="t+/="))
    for signature in ("v4-header", "v4-query"):
        scheme = AWS | {"signature": signature, "sessionToken": "t+/="}
        assert (await rest(server.url("/b"), authentication=scheme))["status"] == 200


@pytest.mark.parametrize("signature", ["v4-header", "v4-query", "v2-header"])
@pytest.mark.parametrize("wrong", [{"secretAccessKey": "canary-91"}, {"accessKeyId": "canary-91"}])
async def test_aws_wrong(rest, server, signature, wrong):
    """A wrong key is the service's refusal, with its words and without the key or a signature."""
    server.answer("*", AwsGuard())
    error = await rest.error(server.url("/b"), authentication=AWS | {"signature": signature} | wrong)
    assert error.code == "403"
    body = error.variables["response"]["body"]
    assert "SignatureDoesNotMatch" in body or "InvalidAccessKeyId" in body
    assert "canary-91" not in f"{error.message}{error.variables}" or wrong.get("accessKeyId")


@pytest.mark.parametrize("skew", [-3600, 3600])
async def test_aws_clocks_differ(rest, server, skew):
    """A service whose clock is far from ours is signed for by its own clock, once."""
    server.answer("*", AwsGuard(skew=skew))
    assert (await rest(server.url("/b"), authentication=AWS))["status"] == 200
    assert len(server.seen) == 2
    server.seen.clear()
    error = await rest.error(server.url("/b"), authentication=AWS | {"secretAccessKey": "other"})
    assert (error.code, len(server.seen)) == ("403", 2)


async def test_aws_echoed_signature(rest, server):
    """A presigned address that the service repeats in its refusal is masked."""
    server.answer("*", lambda seen: Reply(403, seen.target.encode(), [("X-Target", seen.target)], "Forbidden"))
    error = await rest.error(server.url("/b?a=1"), authentication=AWS | {"signature": "v4-query"})
    signature = server.last.target.rpartition("=")[2]
    assert signature not in str(error.variables)


AZURE = {"type": "azure-shared-key", "account": "acct", "accountKey": base64.b64encode(b"0123456789abcdef").decode()}


@pytest.mark.parametrize(
    "call",
    [
        {"path": "/c/a%20b.txt"},
        {"path": "/c?restype=container&comp=list", "queryParameters": {"include": ["snapshots", "metadata"]}},
        {"path": "/c/b", "method": "PUT", "body": "hällo", "headers": {"x-ms-blob-type": "BlockBlob", "If-Match": "*"}},
        {"path": "/c", "method": "PUT", "queryParameters": {"restype": "container"}},
    ],
)
async def test_azure_shared_key(rest, server, call):
    """Blobs are listed, read, written; a container is created."""
    server.answer("*", AzureGuard())
    call = dict(call)
    assert (await rest(server.url(call.pop("path")), authentication=AZURE, **call))["status"] == 201


async def test_azure_wrong(rest, server):
    """Another key is the service's 403; a key that is no base64 is found before anything is sent."""
    server.answer("*", AzureGuard())
    other = base64.b64encode(b"another-key").decode()
    assert (await rest.error(server.url("/c"), authentication=AZURE | {"accountKey": other})).code == "403"
    server.seen.clear()
    error = await rest.error(server.url("/c"), authentication=AZURE | {"accountKey": "canary-91"})
    assert (error.code, "accountKey" in error.message) == ("AUTHENTICATION_INVALID", True)
    assert "canary-91" not in error.message
    assert not server.seen


def assertions(server, issuer):
    server.answer("/token", issuer.token)
    server.answer("*", issuer.resource)
    return server.url("/token")


def google(endpoint, pair, **more):
    key = {"type": "service_account", "client_email": "sa@p.example", "private_key": pair.key_pem()}
    key |= {"private_key_id": "k1", "token_uri": endpoint}
    return {"type": "google-service-account", "serviceAccountKey": json.dumps(key), "scopes": " a  b ", **more}


async def test_google_service_account(rest, server, pair):
    """The service account signs for itself, or for a user that it may act for; one token for each."""
    issuer = AssertionIssuer(pair.key.public_key(), users=["ann@p.example"])
    endpoint = assertions(server, issuer)
    for _ in range(2):
        result = await rest(server.url("/x"), authentication=google(endpoint, pair))
        assert result["body"] == {"token": "for-sa@p.example"}
    result = await rest(server.url("/x"), authentication=google(endpoint, pair, user="ann@p.example"))
    assert result["body"] == {"token": "for-ann@p.example"}
    assert len(issuer.claims) == 2
    assert issuer.claims[0]["scope"] == "a b"
    assert issuer.headers[0]["kid"] == "k1"


async def test_google_wrong(rest, server, pair):
    """A user that it may not act for, another key, no key file: each says so."""
    issuer = AssertionIssuer(pair.key.public_key())
    endpoint = assertions(server, issuer)
    error = await rest.error(server.url("/x"), authentication=google(endpoint, pair, user="eve@p.example"))
    assert (error.code, error.variables["reason"]) == ("400", "invalid_grant")
    assert "may not act for this user" in error.message
    error = await rest.error(server.url("/x"), authentication=google(endpoint, Pair("other")))
    assert "the signature is wrong" in error.message
    for text in ("canary-91", "{}", '{"client_email": "e", "private_key": "canary-91"}', "[1]"):
        scheme = google(endpoint, pair) | {"serviceAccountKey": text}
        error = await rest.error(server.url("/x"), authentication=scheme)
        assert (error.code, "serviceAccountKey" in error.message) == ("AUTHENTICATION_INVALID", True)
        assert "canary-91" not in error.message


async def test_google_key_file_with_line_breaks(rest, server, pair):
    """A key file whose line breaks somebody resolved, as secrets from environment variables have them, is read."""
    endpoint = assertions(server, AssertionIssuer(pair.key.public_key()))
    scheme = google(endpoint, pair)
    scheme["serviceAccountKey"] = scheme["serviceAccountKey"].replace("\\n", "\n")
    assert (await rest(server.url("/x"), authentication=scheme))["status"] == 200


async def test_private_key_jwt(rest, server, pair):
    """The client proves itself by a signed assertion, used once; the endpoint is its audience, or what is given."""
    issuer = AssertionIssuer(pair.key.public_key())
    endpoint = assertions(server, issuer)
    scheme = {
        "type": "oauth-private-key-jwt",
        "oauthTokenEndpoint": endpoint,
        "clientId": "cid",
        "privateKey": pair.key_pem(),
        "keyId": "k7",
        "certificate": pair.pem,
        "scopes": "a",
        "audience": "api",
    }
    assert (await rest(server.url("/x"), authentication=scheme))["body"] == {"token": "for-cid"}
    assert {"kid", "x5t"} <= set(issuer.headers[0])
    assert issuer.claims[0]["sub"] == "cid"
    assert (issuer.forms[0]["scope"], issuer.forms[0]["audience"]) == ("a", "api")
    issuer.endpoint = "https://idp.example"
    error = await rest.error(server.url("/x"), authentication=scheme | {"scopes": "b"})
    assert (error.code, error.variables["reason"]) == ("401", "invalid_client")
    good = scheme | {"scopes": "b", "assertionAudience": "https://idp.example"}
    assert (await rest(server.url("/x"), authentication=good))["status"] == 200


async def test_private_key_jwt_with_an_elliptic_curve(rest, server):
    """ES256 with its key; an algorithm that does not fit the key is found before anything is sent."""
    own = Pair("client", kind="ec")
    endpoint = assertions(server, AssertionIssuer(own.key.public_key(), algorithm="ES256"))
    scheme = {
        "type": "oauth-private-key-jwt",
        "oauthTokenEndpoint": endpoint,
        "clientId": "cid",
        "privateKey": own.key_pem(),
        "algorithm": "ES256",
    }
    assert (await rest(server.url("/x"), authentication=scheme))["status"] == 200
    for wrong in ({"algorithm": "RS256"}, {"privateKey": "canary-91"}, {"certificate": "canary-91"}):
        error = await rest.error(server.url("/x"), authentication=scheme | wrong)
        assert error.code == "AUTHENTICATION_INVALID"
        assert "canary-91" not in error.message
        assert ("certificate" if "certificate" in wrong else "privateKey") in error.message


async def test_jwt_bearer(rest, server, pair):
    """An assertion of whom the application acts for, with claims of the service's own."""
    issuer = AssertionIssuer(pair.key.public_key(), users=["ann"], endpoint="https://login.example.com")
    endpoint = assertions(server, issuer)
    scheme = {
        "type": "oauth-jwt-bearer",
        "oauthTokenEndpoint": endpoint,
        "issuer": "cid",
        "subject": "ann",
        "audience": "https://login.example.com",
        "privateKey": pair.key_pem(),
        "claims": {"box_sub_type": "enterprise", "iss": "not this"},
        "clientId": "cid",
        "clientSecret": "s",
    }
    for _ in range(2):
        assert (await rest(server.url("/x"), authentication=scheme))["body"] == {"token": "for-ann"}
    assert len(issuer.claims) == 1
    assert (issuer.claims[0]["box_sub_type"], issuer.claims[0]["iss"]) == ("enterprise", "cid")
    assert issuer.forms[0]["client_secret"] == "s"
    error = await rest.error(server.url("/x"), authentication=scheme | {"subject": "eve"})
    assert (error.code, error.variables["reason"]) == ("400", "invalid_grant")


@pytest.mark.parametrize("how", ["basic", "encoded", "body", "public"])
async def test_password(rest, server, how):
    """A user's name and password for a token, with the client's proof in each way, or none."""
    issuer = TokenIssuer()
    server.answer("/token", issuer.token)
    server.answer("*", issuer.resource)
    scheme = {
        "type": "oauth-password",
        "oauthTokenEndpoint": server.url("/token"),
        "clientId": "cid",
        "username": "ann",
        "password": "pä ss",
        "clientSecret": "" if how == "public" else "s",
        "clientAuthentication": "credentialsBody" if how == "body" else "basicAuthHeader",
    }
    assert (await rest(server.url("/x"), authentication=scheme))["status"] == 200
    form = issuer.forms[-1]
    assert form.get("client_secret") == ("s" if how == "body" else None)
    assert form.get("client_id") == ("cid" if how in {"body", "public"} else None)
    error = await rest.error(server.url("/x"), authentication=scheme | {"password": "canary-91"})
    assert (error.code, error.variables["reason"]) == ("400", "invalid_grant")
    assert "Bad user or password" in error.message
    assert "canary-91" not in f"{error.message}{error.variables}"


async def test_entra_id(rest, server, pair):
    """A secret, or a certificate, for the tenant's own endpoint."""
    issuer = AssertionIssuer(pair.key.public_key())
    plain = TokenIssuer(client=("cid", "s"), how="body")
    path = "/contoso.onmicrosoft.com/oauth2/v2.0/token"
    server.answer(path, lambda seen: (issuer if "client_assertion" in seen.form else plain).token(seen))
    server.answer("*", lambda seen: Reply.json({"token": seen.header("Authorization")}))
    scheme = {"type": "entra-id", "tenant": "contoso.onmicrosoft.com", "clientId": "cid", "authority": server.url("/")}
    result = await rest(server.url("/x"), authentication=scheme | {"clientSecret": "s"})
    assert result["body"] == {"token": "Bearer token-1"}
    assert plain.forms[0]["scope"] == "https://graph.microsoft.com/.default"
    certificate = {"certificate": pair.pem, "privateKey": pair.key_pem()}
    result = await rest(server.url("/x"), authentication=scheme | certificate)
    assert result["body"] == {"token": "Bearer for-cid"}
    assert issuer.headers[0]["x5t"]
    error = await rest.error(server.url("/x"), authentication=scheme | {"clientSecret": "no"})
    assert (error.code, error.variables["reason"]) == ("401", "invalid_client")
    for wrong in ({}, {"certificate": pair.pem}, {"clientSecret": "s", "tenant": "a/../b"}):
        assert (await rest.error(server.url("/x"), authentication=scheme | wrong)).code == "INVALID_INPUT"


@pytest.fixture
async def mutual(pair):
    """A server that lets in only who shows the client's certificate, and what to trust."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=pair.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.issue_cert("127.0.0.1").configure_cert(context)
    async with HttpServer(tls=context) as running:
        running.answer("*", Reply.json({"ok": True}))
        yield running, ca.cert_pem.bytes().decode()


async def test_oauth_with_a_client_certificate(rest, mutual, pair):
    """The token endpoint knows the client by its certificate; without one it is said before anything is sent."""
    server, trusted = mutual
    seen_forms = []

    def token(seen):
        seen_forms.append(seen.form)
        known = seen.peer_certificate["subject"] == ((("commonName", "client"),),)
        return Reply.json({"access_token": "t", "expires_in": 60}) if known else Reply.json({"error": "no"}, 401)

    server.answer("/token", token)
    scheme = {"type": "oauth-client-certificate", "oauthTokenEndpoint": server.url("/token"), "clientId": "cid"}
    tls = {"trustedCertificate": trusted, "clientCertificate": pair.pem, "clientPrivateKey": pair.key_pem()}
    await rest(server.url("/x"), authentication=scheme, clientTls=tls)
    assert server.last.header("Authorization") == "Bearer t"
    assert seen_forms == [{"grant_type": "client_credentials", "client_id": "cid"}]
    error = await rest.error(server.url("/x"), authentication=scheme, clientTls={"trustedCertificate": trusted})
    assert (error.code, "clientTls.clientCertificate" in error.message) == ("AUTHENTICATION_INVALID", True)


@pytest.mark.parametrize("kind", ["pkcs12", "jks"])
@pytest.mark.parametrize("place", ["base64", "document", "file"])
async def test_keystore(rest, mutual, pair, tmp_path, kind, place):
    """A keystore from a secret, a document or a file shows the certificate in it; a wrong password is said."""
    server, trusted = mutual
    data = pair.p12("changeit") if kind == "pkcs12" else jks(pair, "changeit")
    if place == "base64":
        location = base64.encodebytes(data).decode()
    elif place == "document":
        location = dict((await rest.documents.create(data)).reference)
    else:
        rest.allow(tmp_path)
        (tmp_path / "store").write_bytes(data)
        location = str(tmp_path / "store")
    given = {"clientTls": {"trustedCertificate": trusted}}
    store = {"keystoreLocation": location, "keystorePassword": "changeit"}
    await rest(server.url("/x"), clientKeystore=store, **given)
    assert server.last.peer_certificate["subject"] == ((("commonName", "client"),),)
    error = await rest.error(server.url("/x"), clientKeystore=store | {"keystorePassword": "canary-91"}, **given)
    assert (error.code, "clientKeystore" in error.message) == ("TLS_MATERIAL_INVALID", True)
    assert "canary-91" not in error.message


@pytest.mark.parametrize("location", ["/etc/passwd", "A" * 401, "no\nsuch"])
async def test_keystore_that_is_none(rest, server, location):
    """A path outside the allowed directories, cut base64 and other texts are refused."""
    error = await rest.error(server.url(), clientKeystore={"keystoreLocation": location, "keystorePassword": "p"})
    assert error.code in {"FILE_FORBIDDEN", "TLS_MATERIAL_INVALID"}


@pytest.fixture
def ntlm_user(tmp_path, monkeypatch):
    users = tmp_path / "users"
    users.write_text("DOM:alice:sécret\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    return {"type": "ntlm", "username": "DOM\\alice", "password": "sécret"}


async def test_ntlm(rest, server, ntlm_user):
    """Many calls at once, each on a connection of its own; a body goes only with the answer to the challenge."""
    server.answer("*", NtlmGuard(Reply.json({"in": True})))
    results = await asyncio.gather(
        *(rest(server.url("/x"), method="POST", body={"n": n}, authentication=ntlm_user) for n in range(16))
    )
    assert [result["body"] for result in results] == [{"in": True}] * 16
    assert server.connections == 16
    assert sum(bool(seen.body) for seen in server.seen) == 16
    error = await rest.error(server.url("/x"), authentication=ntlm_user | {"password": "canary-91"})
    assert error.code == "401"
    assert "canary-91" not in f"{error.message}{error.variables}"


async def test_ntlm_is_not_asked_for(rest, server, ntlm_user):
    """A request without a body that a service answers at once is not sent a second time."""
    server.answer("*", Reply.json({"done": True}))
    await rest(server.url("/x"), method="DELETE", authentication=ntlm_user)
    assert len(server.seen) == 1


@pytest.mark.parametrize("challenge", ["NTLM TlRMTVNTUAACAAAA", "NTLM é", "NTLM !", "NTLM " + "A" * 400, "NTLM"])
async def test_an_ntlm_challenge_that_is_none(rest, server, ntlm_user, challenge):
    """It is a refusal like another."""
    server.answer("*", Reply(401, b"", [("WWW-Authenticate", challenge)], "Unauthorized"))
    assert (await rest.error(server.url("/x"), authentication=ntlm_user)).code == "401"


async def test_ntlm_stays_with_its_host(rest, server, ntlm_user):
    """A redirect to another host gets no NTLM message."""
    async with HttpServer() as elsewhere:
        elsewhere.answer("*", Reply.json({}))
        server.answer("*", NtlmGuard(Reply(302, b"", [("Location", elsewhere.url("/there"))], "Found")))
        await rest(server.url("/x"), followRedirects=True, authentication=ntlm_user)
        assert [seen.all("Authorization") for seen in elsewhere.seen] == [[]]


async def test_signatures_stay_with_their_host(rest, server, pair):
    """A redirect to another host takes no signature and no token along."""
    async with HttpServer() as elsewhere:
        elsewhere.answer("*", Reply.json({}))
        server.answer("*", Reply(307, b"", [("Location", elsewhere.url("/there"))], "Moved"))
        server.answer("/token", AssertionIssuer(pair.key.public_key()).token)
        for scheme in (
            {"type": "custom", "schemeName": "Token", "credentials": "c"},
            AWS,
            AWS | {"signature": "v4-query"},
            AWS | {"signature": "v2-header"},
            AZURE,
            google(server.url("/token"), pair),
        ):
            await rest(server.url("/here"), authentication=scheme, followRedirects=True)
            assert not elsewhere.last.all("Authorization")
            assert elsewhere.last.query == []
            assert not [name for name, _ in elsewhere.last.headers if name.lower().startswith(("x-amz", "x-ms"))]
