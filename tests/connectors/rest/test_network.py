"""Redirects, TLS, proxies and what the operator forbids."""

import asyncio
import ssl

import pytest
import trustme

from zeebe_connectors.testing.servers import ForwardProxy, HttpServer, Reply


def moved(status, where):
    return Reply(status, b"", [("Location", where)], "Moved")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed_by_default(rest, server, status):
    """A redirect is a result like any other unless following is asked for."""
    server.answer("/a", moved(status, "/b"))
    result = await rest(server.url("/a"))
    assert (result["status"], result["headers"]["Location"], result["body"]) == (status, "/b", None)


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "PATCH", "PATCH"),
        (302, "GET", "GET"),
    ],
)
async def test_method_after_a_redirect(rest, server, status, method, then):
    """The method after a redirect is what browsers make of it, and a request that lost its body says so."""
    server.answer("/a", moved(status, "b?x=%2F"))
    server.answer("/b", Reply.json({"here": True}))
    await rest(server.url("/a"), method=method, body={"a": 1}, followRedirects=True)
    seen = server.last
    assert (seen.method, seen.target) == (then, "/b?x=%2F")
    assert not seen.all("Transfer-Encoding")
    if then in {"GET", "HEAD"}:
        assert (seen.body, seen.all("Content-Length"), seen.all("Content-Type")) == (b"", [], [])
    else:
        assert seen.json == {"a": 1}


async def test_credentials_stay_with_their_origin(rest, server):
    """Within one origin credentials go along; a detour over another host does not bring them back."""
    async with HttpServer() as other:
        server.answer("/a", moved(302, "/b"))
        server.answer("/b", moved(302, other.url("/c")))
        other.answer("/c", moved(302, server.url("/d")))
        server.answer("/d", Reply.json({}))
        await rest(server.url("/a"), authentication={"type": "bearer", "token": "t"}, followRedirects=True)
        assert [bool(seen.all("Authorization")) for seen in server.seen] == [True, True, False]
        assert not other.last.all("Authorization")
        assert other.last.header("Host") == f"127.0.0.1:{other.port}"


async def test_circle(rest, server):
    """Redirects in circles end."""
    server.answer("/a", moved(302, "/a"))
    error = await rest.error(server.url("/a"), followRedirects=True)
    assert (error.code, error.variables) == ("500", {"reason": "redirect"})
    assert len(server.seen) == 21


@pytest.mark.parametrize("where", ["ftp://example.com/", "file:///etc/passwd", "http://", "gopher:x"])
async def test_redirect_to_nowhere(rest, server, where):
    """A redirect to something else than http is an error."""
    server.answer("/a", moved(302, where))
    error = await rest.error(server.url("/a"), followRedirects=True)
    assert error.variables == {"reason": "redirect"}


async def test_a_user_in_the_address_stays_at_its_host(rest, server):
    """As with curl: however the target is written, and never at another host."""
    server.answer("/y", lambda seen: Reply.json(seen.all("Authorization")))
    for target, sent in [
        (server.url("/y"), ["Basic dTpw"]),
        ("/y", ["Basic dTpw"]),
        (server.url("/y").replace("//", "//a:b@"), ["Basic YTpi"]),
        (server.url("/y", host="localhost"), []),
    ]:
        server.answer("/x", Reply(302, b"", [("Location", target)]))
        result = await rest(server.url("/x").replace("//", "//u:p@"), followRedirects=True)
        assert result["body"] == sent


async def test_redirect_without_location(rest, server):
    """A 3xx without a Location, such as 304, is a result."""
    server.answer("/a", Reply(304, b"", [], "Not Modified"))
    assert (await rest(server.url("/a"), followRedirects=True))["status"] == 304


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def context_of(authority, name, *, client=None, newest=None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if newest is not None:
        context.maximum_version = newest
    authority.issue_cert(name).configure_cert(context)
    if client is not None:
        client.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def pem(blob):
    return blob.bytes().decode()


@pytest.fixture
def trusted(authority):
    return {"trustedCertificate": pem(authority.cert_pem)}


async def test_trusted_certificate(rest, authority, trusted):
    """A server of one's own authority is reached by trusting it, and nothing else then."""
    async with HttpServer(context_of(authority, "127.0.0.1")) as server:
        server.answer("*", Reply.json({"ok": True}))
        assert (await rest(server.url("/"), clientTls=trusted))["body"] == {"ok": True}
        stranger = {"trustedCertificate": pem(trustme.CA().cert_pem)}
        assert (await rest.error(server.url("/"), clientTls=stranger)).code == "SSL_HANDSHAKE_FAILED"


@pytest.mark.parametrize("given", [{}, {"clientTls": {"trustedCertificate": "  "}}])
async def test_untrusted_certificate(rest, authority, given):
    """A certificate of an unknown authority is refused, and the message says what to do."""
    async with HttpServer(context_of(authority, "127.0.0.1")) as server:
        error = await rest.error(server.url("/"), **given)
    assert (type(error).__name__, error.code) == ("ConnectorError", "SSL_HANDSHAKE_FAILED")
    assert error.variables == {"reason": "certificate"}
    assert "clientTls.trustedCertificate" in error.message
    assert server.seen == []


async def test_certificate_for_another_name(rest, authority, trusted):
    """A certificate for another host is refused."""
    async with HttpServer(context_of(authority, "elsewhere.example")) as server:
        error = await rest.error(server.url("/"), clientTls=trusted)
    assert error.variables == {"reason": "certificate"}


async def test_tls_to_a_plain_port(rest):
    """An https URL with a port that speaks plain http is a TLS failure."""

    async def complain(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    plain = await asyncio.start_server(complain, "127.0.0.1", 0)
    async with plain:
        error = await rest.error(f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}/")
    assert (error.code, error.variables) == ("SSL_HANDSHAKE_FAILED", {"reason": "tls"})


async def test_http_to_a_tls_port(rest, authority):
    """The other way round is no valid answer, or none at all."""
    async with HttpServer(context_of(authority, "127.0.0.1")) as server:
        error = await rest.error(f"http://127.0.0.1:{server.port}/")
    assert error.variables["reason"] in {"disconnected", "protocol"}


@pytest.mark.parametrize("encrypted", [False, True])
async def test_client_certificate(rest, authority, trusted, encrypted):
    """Mutual TLS with a key in PEM, also an encrypted one."""
    client = authority.issue_cert("worker@example.com")
    key = pem(client.private_key_pem)
    if encrypted:
        form = pytest.importorskip("cryptography.hazmat.primitives.serialization")
        loaded = form.load_pem_private_key(key.encode(), None)
        key = loaded.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"pass")
        ).decode()
    own = trusted | {
        "clientCertificate": "\n".join(pem(blob) for blob in client.cert_chain_pems),
        "clientPrivateKey": key,
        "privateKeyPassword": "pass" if encrypted else "",
    }
    async with HttpServer(context_of(authority, "127.0.0.1", client=authority)) as server:
        server.answer("*", Reply.json({"ok": True}))
        assert (await rest(server.url("/"), clientTls=own))["status"] == 200
        assert ("email", "worker@example.com") in [
            tuple(item) for item in server.last.peer_certificate["subjectAltName"]
        ]
        assert (await rest(server.url("/"), clientTls=own))["status"] == 200
        assert server.connections == 1
        error = await rest.error(server.url("/"), clientTls=trusted)
        assert error.variables["reason"] in {"tls", "disconnected"}  # with TLS 1.3 it depends on how the server leaves
        assert "client certificate" in error.message
        if encrypted:
            error = await rest.error(server.url("/"), clientTls=own | {"privateKeyPassword": "wrong"})
            assert error.code == "TLS_MATERIAL_INVALID"


async def test_missing_client_certificate(rest, authority, trusted):
    """A server that misses a client certificate during the handshake is told as that."""
    context = context_of(authority, "127.0.0.1", client=authority, newest=ssl.TLSVersion.TLSv1_2)
    async with HttpServer(context) as server:
        error = await rest.error(server.url("/"), clientTls=trusted)
    assert (error.code, error.variables) == ("SSL_HANDSHAKE_FAILED", {"reason": "tls"})
    assert "client certificate" in error.message


async def test_bad_tls_material(rest, authority):
    """Texts that are no PEM, a lonely half or halves of different pairs are incidents that name the field."""
    one, two = authority.issue_cert("a@example.com"), authority.issue_cert("b@example.com")
    certificate, key = pem(one.cert_chain_pems[0]), pem(one.private_key_pem)
    for given, says in [
        ({"trustedCertificate": "nonsense"}, "clientTls.trustedCertificate"),
        ({"clientCertificate": certificate}, "clientTls.clientPrivateKey: is missing"),
        ({"clientPrivateKey": key}, "clientTls.clientCertificate: is missing"),
        ({"clientCertificate": "nonsense", "clientPrivateKey": key}, "cannot be used"),
        ({"clientCertificate": certificate, "clientPrivateKey": pem(two.private_key_pem)}, "cannot be used"),
    ]:
        error = await rest.error("https://127.0.0.1:1/", clientTls=given)
        assert (type(error).__name__, error.code) == ("InputError", "TLS_MATERIAL_INVALID")
        assert says in error.message
        assert "BEGIN" not in error.message.replace("from BEGIN CERTIFICATE", "")


def use_proxy(monkeypatch, proxy, *, kind="HTTP", user=None):
    monkeypatch.setenv(f"CONNECTOR_{kind}_PROXY_HOST", "127.0.0.1")
    monkeypatch.setenv(f"CONNECTOR_{kind}_PROXY_PORT", str(proxy.port))
    if user:
        monkeypatch.setenv(f"CONNECTOR_{kind}_PROXY_USER", user[0])
        monkeypatch.setenv(f"CONNECTOR_{kind}_PROXY_PASSWORD", user[1])


async def test_proxy(rest, server, monkeypatch):
    """Plain requests go through the HTTP proxy, with its password, which the target does not see."""
    server.answer("*", Reply.json({"ok": True}))
    async with ForwardProxy("al:s3cret") as proxy:
        use_proxy(monkeypatch, proxy, user=("al", "s3cret"))
        await rest(server.url("/x?y=%2F"), method="POST", body={"a": 1})
        assert proxy.requests[0].target == server.url("/x?y=%2F")
    assert server.last.json == {"a": 1}
    assert not server.last.all("Proxy-Authorization")


async def test_proxy_for_https(rest, authority, trusted, monkeypatch):
    """TLS goes through a tunnel, end to end."""
    async with ForwardProxy("al:s3cret") as proxy, HttpServer(context_of(authority, "127.0.0.1")) as server:
        server.answer("*", Reply.json({"ok": True}))
        use_proxy(monkeypatch, proxy, kind="HTTPS", user=("al", "s3cret"))
        assert (await rest(server.url("/"), clientTls=trusted))["status"] == 200
        assert proxy.tunnels == [f"127.0.0.1:{server.port}"]
        assert not server.last.all("Proxy-Authorization")


async def test_proxy_refuses(rest, authority, trusted, server, monkeypatch):
    """A proxy that wants a password is told as 407, plain and through a tunnel."""
    async with ForwardProxy("al:s3cret") as proxy, HttpServer(context_of(authority, "127.0.0.1")) as secure:
        use_proxy(monkeypatch, proxy)
        use_proxy(monkeypatch, proxy, kind="HTTPS", user=("al", "wrong"))
        assert (await rest.error(server.url("/"))).code == "407"
        error = await rest.error(secure.url("/"), clientTls=trusted)
        assert (error.code, error.variables) == ("407", {"reason": "proxy"})
        assert "wrong" not in error.message


async def test_proxy_is_away(rest, server, monkeypatch):
    """A proxy that is not there is told as such."""
    monkeypatch.setenv("CONNECTOR_HTTP_PROXY_HOST", "127.0.0.1")
    monkeypatch.setenv("CONNECTOR_HTTP_PROXY_PORT", "1")
    error = await rest.error(server.url("/"))
    assert (error.code, error.variables) == ("408", {"reason": "proxy"})


@pytest.mark.parametrize(("patterns", "direct"), [("localhost|127.*", True), ("*.example.com", False), ("", False)])
async def test_no_proxy_for(rest, server, monkeypatch, patterns, direct):
    """Hosts that match a pattern are called directly."""
    server.answer("*", Reply.json({}))
    async with ForwardProxy() as proxy:
        use_proxy(monkeypatch, proxy)
        monkeypatch.setenv("CONNECTOR_HTTP_NON_PROXY_HOSTS", patterns)
        await rest(server.url("/"))
        assert (proxy.requests == []) is direct


@pytest.mark.parametrize("port", ["none", "0", "70000", "-1"])
async def test_bad_proxy_port(rest, server, monkeypatch, port):
    """A proxy port that is none is an input error that names the variable."""
    monkeypatch.setenv("CONNECTOR_HTTP_PROXY_HOST", "127.0.0.1")
    monkeypatch.setenv("CONNECTOR_HTTP_PROXY_PORT", port)
    error = await rest.error(server.url("/"))
    assert type(error).__name__ == "InputError"
    assert "CONNECTOR_HTTP_PROXY_PORT" in error.message


async def test_proxy_variables_of_others_are_ignored(rest, server, monkeypatch):
    """Only this runtime's own variables count, as in the official one."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.answer("*", Reply.json({}))
    assert (await rest(server.url("/")))["status"] == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "127.0.0"),
        ("URL_metadata", "/secret"),
        ("PORT", "1, {port}"),
        ("PORT_INTERNAL", "{port}"),
        ("REGEX_X", r"http://[0-9.:]+/secret.*"),
    ],
)
async def test_blocklist(rest, server, monkeypatch, name, value):
    """Blocked URLs and ports are refused before anything is sent, also as the target of a redirect."""
    monkeypatch.setenv(f"CAMUNDA_CONNECTOR_HTTP_BLOCK_{name}", value.format(port=server.port))
    error = await rest.error(server.url("/secret"))
    assert (type(error).__name__, error.code) == ("InputError", "HOST_FORBIDDEN")
    assert "is not allowed (Block Name: " in error.message
    assert server.seen == []
    if value.endswith("/secret"):
        server.answer("/a", moved(302, "/secret"))
        assert (await rest.error(server.url("/a"), followRedirects=True)).code == "HOST_FORBIDDEN"
        assert len(server.seen) == 1


def validate_hosts(monkeypatch, **more):
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED", "true")
    for name, value in more.items():
        monkeypatch.setenv(f"CAMUNDA_CONNECTOR_VALIDATION_HOSTS_{name}", value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_host_validation(rest, server, monkeypatch, host):
    """With host validation on, this machine cannot be reached under any of its names."""
    validate_hosts(monkeypatch)
    error = await rest.error(f"http://{host}:{server.port}/")
    assert (type(error).__name__, error.code) == ("InputError", "HOST_FORBIDDEN")
    assert server.connections == 0


@pytest.mark.parametrize(
    "host",
    ["10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "224.0.0.1", "100.64.0.1"],
)
async def test_reserved_addresses(rest, monkeypatch, host):
    """Private, link-local and reserved addresses are refused; the metadata service is among them."""
    validate_hosts(monkeypatch)
    assert (await rest.error(f"http://{host}/")).code == "HOST_FORBIDDEN"


@pytest.mark.parametrize("more", [{"ALLOWRANGES": "10.0.0.0/8,127.0.0.0/8"}, {"UNSAFEALLOWLOOPBACK": "true"}])
async def test_allowed_hosts(rest, server, monkeypatch, more):
    """What the operator allows is reached."""
    validate_hosts(monkeypatch, **more)
    server.answer("*", Reply.json({}))
    assert (await rest(server.url("/")))["status"] == 200


async def test_denied_range(rest, monkeypatch):
    """A range that the operator denies is refused although it is public."""
    validate_hosts(monkeypatch, DENYRANGES="198.51.100.0/24,8.8.0.0/16")
    assert (await rest.error("http://8.8.8.8/")).code == "HOST_FORBIDDEN"


async def test_host_validation_of_redirects_and_token_endpoints(rest, server, monkeypatch):
    """Redirects and token endpoints are checked like the URL itself."""
    validate_hosts(monkeypatch, ALLOWRANGES="127.0.0.1/32")
    server.answer("/a", moved(302, "http://127.0.0.2:9/"))
    assert (await rest.error(server.url("/a"), followRedirects=True)).code == "HOST_FORBIDDEN"
    scheme = {
        "type": "oauth-client-credentials-flow",
        "oauthTokenEndpoint": "http://127.0.0.2:9/token",
        "clientId": "a",
        "clientSecret": "b",
    }
    assert (await rest.error(server.url("/b"), authentication=scheme)).code == "HOST_FORBIDDEN"
    document = {"camunda.document.type": "external", "url": "http://127.0.0.2:9/file"}
    assert (await rest.error(server.url("/b"), method="POST", body=document)).code == "HOST_FORBIDDEN"


async def test_host_validation_behind_a_proxy(rest, monkeypatch):
    """Behind a proxy the name is checked here; one that cannot be resolved here is not called."""
    validate_hosts(monkeypatch)
    async with ForwardProxy() as proxy:
        use_proxy(monkeypatch, proxy)
        assert (await rest.error("http://localhost:9/")).code == "HOST_FORBIDDEN"
        error = await rest.error("http://does-not-exist.invalid/")
        assert error.variables == {"reason": "name-not-resolved"}
        assert proxy.requests == []


async def test_bad_rule(rest, server, monkeypatch):
    """A rule that cannot be read stops the call and names its variable: it must not count as no rule."""
    validate_hosts(monkeypatch, ALLOWRANGES="10.0.0.0/99")
    assert "VALIDATION_HOSTS_ALLOWRANGES" in (await rest.error(server.url("/"))).message
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ALLOWRANGES", "")
    monkeypatch.setenv("CAMUNDA_CONNECTOR_HTTP_BLOCK_REGEX", "(")
    assert "HTTP_BLOCK_REGEX" in (await rest.error(server.url("/"))).message


async def test_a_client_certificate_stays_with_its_host(rest, authority, trusted):
    """It says who calls, and what the caller may do; another host learns neither."""
    client = authority.issue_cert("worker@example.com")
    own = trusted | {
        "clientCertificate": "\n".join(pem(blob) for blob in client.cert_chain_pems),
        "clientPrivateKey": pem(client.private_key_pem),
    }

    def asking():
        context = context_of(authority, "127.0.0.1", client=authority)
        context.verify_mode = ssl.CERT_OPTIONAL
        return HttpServer(context)

    async with asking() as ours, asking() as theirs:
        theirs.answer("*", Reply.json({}))
        ours.answer("/away", Reply(302, b"", [("Location", theirs.url("/x"))]))
        ours.answer("/here", Reply(302, b"", [("Location", "/there")]))
        ours.answer("/there", Reply.json({}))
        await rest(ours.url("/away"), clientTls=own, followRedirects=True)
        assert ours.last.peer_certificate
        assert not theirs.last.peer_certificate
        await rest(ours.url("/here"), clientTls=own, followRedirects=True)
        assert ours.last.path == "/there"
        assert ours.last.peer_certificate
