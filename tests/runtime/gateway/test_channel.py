"""How one gets in: TLS, mutual TLS, tokens and passwords, against real servers on loopback."""

import asyncio
import base64

import grpc
import pytest
import trustme
from aiohttp import web
from tests.servers.gateway import GatewayServer

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.gateway import channel as channel_module
from zeebe_connectors.runtime.gateway.channel import TokenSource
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway


class TokenServer:
    """An OAuth 2.0 token endpoint that records requests and answers as told."""

    def __init__(self):
        self.requests = []
        self.lifetime = 3600
        self.status = 200
        self.answer = None
        self.delay = 0.0

    async def handle(self, request):
        self.requests.append(dict(await request.post()))
        await asyncio.sleep(self.delay)
        number = len(self.requests)
        answer = self.answer or {"access_token": f"token-{number}", "expires_in": self.lifetime, "token_type": "Bearer"}
        return web.json_response(answer, status=self.status)


@pytest.fixture
async def tokens():
    server = TokenServer()
    app = web.Application()
    app.router.add_post("/oauth/token", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/oauth/token"
    yield server
    await runner.cleanup()


def oidc(tokens, **more):
    return ClusterSettings(
        auth="oidc", client_id="me", client_secret="s3cr3t", token_url=tokens.url, audience="zeebe", **more
    )


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def files(authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine = authority.issue_cert("worker.example.com")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "mine.pem")
    mine.private_key_pem.write_to_path(tmp_path / "mine.key")
    return tmp_path


def server_credentials(authority, *, host="localhost", mutual=False):
    issued = authority.issue_cert(host)
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    return grpc.ssl_server_credentials(
        [pair],
        root_certificates=authority.cert_pem.bytes() if mutual else None,
        require_client_auth=mutual,
    )


async def topology(settings):
    gateway = ZeebeGateway(settings, timeout=5.0)
    try:
        return (await gateway.topology()).version
    finally:
        await gateway.aclose()


async def test_tls(authority, files):
    """With the authority's certificate the connection stands; without it the server is not believed."""
    async with GatewayServer(FakeGateway(), credentials=server_credentials(authority)) as server:
        secure = {"address": server.address, "secure": True}
        assert await topology(ClusterSettings(**secure, ca=files / "ca.pem")) == "fake"
        with pytest.raises(GatewayError) as error:
            await topology(ClusterSettings(**secure))
        assert error.value.status == "UNAVAILABLE"


async def test_tls_with_another_name(authority, files):
    """The authority to expect may differ from the address."""
    credentials = server_credentials(authority, host="zeebe.internal")
    async with GatewayServer(FakeGateway(), credentials=credentials) as server:
        secure = {"address": server.address, "secure": True, "ca": files / "ca.pem"}
        assert await topology(ClusterSettings(**secure, authority="zeebe.internal")) == "fake"
        with pytest.raises(GatewayError):
            await topology(ClusterSettings(**secure))


async def test_mutual_tls(authority, files):
    """A gateway that asks for a certificate gets ours, and refuses us without."""
    credentials = server_credentials(authority, mutual=True)
    async with GatewayServer(FakeGateway(), credentials=credentials) as server:
        secure = {"address": server.address, "secure": True, "ca": files / "ca.pem"}
        shown = {"certificate": files / "mine.pem", "key": files / "mine.key"}
        assert await topology(ClusterSettings(**secure, **shown)) == "fake"
        with pytest.raises(GatewayError):
            await topology(ClusterSettings(**secure))


async def test_basic_authentication():
    """User and password go with each call."""
    seen = []
    async with GatewayServer(FakeGateway(), check=lambda headers: seen.append(headers["authorization"])) as server:
        await topology(ClusterSettings(address=server.address, auth="basic", username="demo", password="dämo"))
    assert seen == ["Basic " + base64.b64encode("demo:dämo".encode()).decode()]


async def test_a_token_goes_with_each_call_and_is_fetched_once(tokens):
    """One request to the endpoint, in the form that Camunda's cloud and Keycloak take."""
    seen = []
    async with GatewayServer(FakeGateway(), check=lambda headers: seen.append(headers["authorization"])) as server:
        gateway = ZeebeGateway(oidc(tokens, address=server.address, scope="jobs"))
        for _ in range(3):
            await gateway.topology()
        await gateway.aclose()
    assert seen == ["Bearer token-1"] * 3
    assert tokens.requests == [
        {
            "grant_type": "client_credentials",
            "client_id": "me",
            "client_secret": "s3cr3t",
            "audience": "zeebe",
            "scope": "jobs",
        }
    ]


async def test_many_calls_share_one_request_for_a_token(tokens):
    """Single flight: the endpoint is not hammered at start."""
    tokens.delay = 0.1
    source = TokenSource(oidc(tokens))
    assert len(set(await asyncio.gather(*[source.metadata() for _ in range(50)]))) == 1
    assert len(tokens.requests) == 1


async def test_a_token_is_renewed_in_the_background(tokens):
    """While the old one is valid no call waits for the endpoint, however slow it is."""
    tokens.lifetime = 4
    source = TokenSource(oidc(tokens))
    first = await source.metadata()
    tokens.delay = 0.3
    source._renew_at = 0.0
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await source.metadata() == first
    assert loop.time() - began < 0.25
    async with asyncio.timeout(5):
        while await source.metadata() == first:  # noqa: ASYNC110 - renewed in the background
            await asyncio.sleep(0.02)
    assert len(tokens.requests) == 2


async def test_an_endpoint_that_is_down_is_not_hammered(tokens):
    """A11: calls fail at once with its error, and it is asked again only after a pause; then all is well."""
    tokens.status = 503
    source = TokenSource(oidc(tokens))
    for _ in range(20):
        with pytest.raises(GatewayError) as error:
            await source.metadata()
        assert error.value.status == "UNAVAILABLE"
        assert "HTTP 503" in str(error.value)
    assert len(tokens.requests) == 1
    tokens.status = 200
    source._not_before = 0.0
    assert await source.metadata() == (("authorization", "Bearer token-2"),)


async def test_an_endpoint_that_does_not_answer_has_a_deadline(tokens):
    """A11: pyzeebe's request for a token waits for ever."""
    tokens.delay = 2.0
    source = TokenSource(oidc(tokens), timeout=0.2)
    with pytest.raises(GatewayError, match=r"no answer within 0\.2 s"):
        await source.metadata()


async def test_wrong_credentials_name_the_endpoint_and_its_reason_but_no_secret(tokens):
    """The operator reads what to correct."""
    tokens.status = 401
    tokens.answer = {"error": "invalid_client", "error_description": "s3cr3t does not fit"}
    source = TokenSource(oidc(tokens))
    with pytest.raises(GatewayError) as error:
        await source.metadata()
    assert error.value.status == "UNAUTHENTICATED"
    assert tokens.url in str(error.value)
    assert "invalid_client" in str(error.value)
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("answer", [{"token": "x"}, {"access_token": ""}, ["x"]])
async def test_an_answer_without_a_token_is_refused(tokens, answer):
    """Not a crash, and not the header 'Bearer None'."""
    tokens.answer = answer
    with pytest.raises(GatewayError):
        await TokenSource(oidc(tokens)).metadata()


async def test_a_token_without_a_lifetime_is_used_for_a_while(tokens):
    """RFC 6749 only recommends `expires_in`."""
    tokens.answer = {"access_token": "x"}
    source = TokenSource(oidc(tokens))
    await source.metadata()
    await source.metadata()
    assert len(tokens.requests) == 1


async def test_a_token_that_the_gateway_refuses_is_replaced(tokens, monkeypatch):
    """It may have been revoked: the next call comes with a new one."""
    async with GatewayServer(
        FakeGateway(), check=lambda headers: "UNAUTHENTICATED" if headers["authorization"].endswith("-1") else None
    ) as server:
        gateway = ZeebeGateway(oidc(tokens, address=server.address))
        with pytest.raises(GatewayError):
            await gateway.topology()
        # A young token is not thrown away: a gateway that refuses every token would make us hammer the endpoint.
        with pytest.raises(GatewayError):
            await gateway.topology()
        assert len(tokens.requests) == 1
        monkeypatch.setattr(gateway._credentials, "_got_at", gateway._credentials._got_at - 60.0)
        with pytest.raises(GatewayError):
            await gateway.topology()
        assert (await gateway.topology()).version == "fake"
        await gateway.aclose()
    assert len(tokens.requests) == 2


async def test_a_message_limit_far_above_grpcs_own():
    """128 MiB, where gRPC's own 4 MiB are met by ordinary batches."""
    assert channel_module.MAX_MESSAGE_BYTES >= 64 * 1024 * 1024
