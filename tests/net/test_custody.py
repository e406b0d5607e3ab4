"""Secrets go to the hosts that they are bound to, each use is counted, and a redirect takes none along."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest
from multidict import CIMultiDict

from zeebe_connectors import ConnectorError, InputError
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.secrets import EnvironmentSecrets, Mask, SecretResolver, SecretUses, read_rules
from zeebe_connectors.config.secrets.uses import MAX_COUNTED, Use
from zeebe_connectors.net import custody
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.fields import Secret
from zeebe_connectors.sdk.secret_places import SecretPlaces
from zeebe_connectors.testing.servers import HttpServer, Reply, Seen
from zeebe_connectors.web import Call, Exchange, HttpRequest
from zeebe_connectors.web.auth import Basic, Digest

VALUE = "Val-1/ue+ü"


def rules(tmp_path: Path, text: str) -> SecretUses:
    file = tmp_path / "zeebe-connectors.toml"
    file.write_text(text)
    return SecretUses(read_rules(Environment.load({}, file=file)))


async def holding(uses: SecretUses, process: str = "order"):
    resolver = SecretResolver([EnvironmentSecrets({"SECRET_A": VALUE, "SECRET_B": "other-secret"})], uses=uses)
    held = resolver.custody(Mask(), process=process, element="task")
    given = {"a": "{{secrets.A}}", "b": "{{secrets.B}}"}
    await resolver.resolve(given, SecretPlaces(everywhere=True), mask=held.mask, process=process, custody=held)
    return custody.holding(held)


def exchange(clients: ClientCache) -> Exchange:
    return Exchange(Call(clients, asyncio.get_running_loop().time() + 10))


@pytest.fixture
async def clients():
    clients = ClientCache()
    yield clients
    await clients.aclose()


REQUESTS = {
    "header": {"headers": {"X-Api-Key": VALUE.encode().decode("latin-1")}},
    "encoded header": {"headers": {"X-Auth": base64.b64encode(f"u:{VALUE}".encode()).decode()}},
    "query": {"query": "?k=Val-1%2fue%2B%C3%BC"},
    "body": {"body": json.dumps({"k": VALUE}).encode()},
    "large body": {"body": b"x" * 400_000 + VALUE.encode()},
}


def request(server: HttpServer, how: str, path: str = "/a", host: str = "127.0.0.1", method: str = "POST"):
    made = REQUESTS[how]
    url = server.url(path, host) + made.get("query", "")
    if how == "header":
        made = {"headers": {"X-Api-Key": "Val-1/ue+%C3%BC"}}
    return HttpRequest(method, url, CIMultiDict(made.get("headers", {})), made.get("body"))


@pytest.mark.parametrize("how", REQUESTS)
async def test_a_bound_secret_is_not_sent_elsewhere(tmp_path, clients, how):
    """In whatever part of a request it stands; the message names it and never its value."""
    uses = rules(tmp_path, '[secret-policy.A]\nhosts = ["api.example.com", "*.example.org"]\n')
    async with HttpServer() as server:
        with await holding(uses), pytest.raises(InputError, match="'A' is bound to other hosts than") as raised:
            await exchange(clients).call(request(server, how))
        assert server.seen == []
    assert raised.value.code == "SECRET_HOST_FORBIDDEN"
    assert "Val" not in str(raised.value)


async def test_it_is_sent_where_it_is_bound_to(tmp_path, clients):
    """And what does not hold it goes anywhere; each use is counted."""
    uses = rules(tmp_path, '[secret-policy.A]\nhosts = ["LOCALHOST"]\nprocesses = ["or*"]\n')
    async with HttpServer() as server:
        server.answer("*", Reply())
        with await holding(uses):
            for _ in range(2):
                await exchange(clients).call(request(server, "body", host="localhost"))
            await exchange(clients).call(HttpRequest("POST", server.url(), body=b"nothing"))
    assert [(use.secret, use.process, use.element, use.host, n) for use, n in uses.counts()] == [
        ("A", "order", "task", "localhost", 2)
    ]


async def test_credentials_made_of_it_count_too(tmp_path, clients):
    """Basic shows it, and Digest proves it without."""
    uses = rules(tmp_path, '[secret-policy.A]\nhosts = ["api.example.com"]\n')
    challenge = Reply(401, b"", [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5')])
    async with HttpServer() as server:
        server.answer("*", challenge)
        for scheme in (
            Basic(type="basic", username="u", password=Secret(VALUE)),
            Digest(type="digest", username="u", password=Secret(VALUE)),
        ):
            with await holding(uses), pytest.raises(InputError, match="'A'"):
                await exchange(clients).call(HttpRequest("GET", server.url()), scheme)
        assert [seen.header("Authorization") for seen in server.seen] == [None]


async def test_a_session_that_is_not_http_counts_as_a_whole(tmp_path):
    """What is sent in it is not known in advance."""
    uses = rules(tmp_path, '[secret-policy.A]\nhosts = ["mail.example.com"]\n')
    with await holding(uses):
        custody.sending("Mail.Example.Com.")
        with pytest.raises(InputError, match=r"'A'.*evil\.example\.com"):
            custody.sending("evil.example.com")
    custody.sending("evil.example.com")


async def test_a_secret_bound_to_processes_does_not_resolve_in_others(tmp_path):
    """The message names secret and process."""
    uses = rules(tmp_path, '[secret-policy.A]\nprocesses = ["billing"]\n')
    with pytest.raises(InputError, match=r"'A'.*'order'") as raised:
        await holding(uses)
    assert raised.value.code == "SECRET_PROCESS_FORBIDDEN"


@pytest.mark.parametrize(
    "text", ["[secret-policy.A]\nhost = ['x']\n", "[secret-policy.A]\nhosts = []\n", "[secret-policy]\nhosts=['x']"]
)
def test_a_wrong_rule_stops_the_start(tmp_path, text):
    """A rule that is misspelt would allow everything."""
    with pytest.raises(SettingsError, match="secret-policy"):
        rules(tmp_path, text)


def test_counts_have_a_bound():
    """Those not seen for longest make room."""
    uses = SecretUses()
    for number in range(MAX_COUNTED + 5):
        uses.count(Use("A", "p", "e", str(number)))
    assert len(list(uses.counts())) == MAX_COUNTED


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("how", ["header", "encoded header", "body", "large body"])
async def test_a_redirect_to_another_host_takes_no_secret_along(clients, how, status):
    """Neither in headers of any name nor in a body that would be sent again."""
    async with HttpServer() as first, HttpServer() as other:
        first.answer("/a", Reply(status, b"", [("Location", other.url("/b", "localhost"))]))
        other.answer("/b", Reply())
        with await holding(SecretUses()):
            call = exchange(clients).call(request(first, how), follow_redirects=True)
            if "body" in how and status in {307, 308}:
                with pytest.raises(ConnectorError, match="holds a secret"):
                    await call
                assert other.seen == []
            else:
                await call
                assert other.seen
        assert first.seen
        for seen in other.seen:
            assert is_clean(seen)


def is_clean(seen: Seen) -> bool:
    wire = repr(seen.headers) + seen.target + seen.body.decode()
    return "Val-1" not in wire and "X-Auth" not in wire and base64.b64encode(f"u:{VALUE}".encode()).decode() not in wire


async def test_a_redirect_within_the_host_keeps_them(clients):
    """As does one to another host what holds none."""
    async with HttpServer() as server, HttpServer() as other:
        server.answer("/a", Reply(307, b"", [("Location", server.url("/b"))]))
        server.answer("/b", Reply(307, b"", [("Location", other.url("/c", "localhost"))]))
        server.answer("/d", Reply())
        with await holding(SecretUses()):
            with pytest.raises(ConnectorError):
                await exchange(clients).call(request(server, "body"), follow_redirects=True)
            assert server.last.path == "/b"
            assert json.loads(server.last.body)["k"] == VALUE
            other.answer("/c", Reply())
            plain = HttpRequest("POST", server.url("/a"), CIMultiDict({"X-Trace": "t"}), b"nothing")
            await exchange(clients).call(plain, follow_redirects=True)
        assert (other.last.header("X-Trace"), other.last.body) == ("t", b"nothing")
