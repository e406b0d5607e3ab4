"""The POP3 source beside Dovecot, which checks tokens itself and keeps its ids on disk."""

from __future__ import annotations

import asyncio
import time
import uuid
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.connectors.pop3.test_pop3 import Pop3Harness
from tests.harness import health, running
from tests.servers import dovecot
from tests.servers.auth import TokenIssuer
from tests.servers.dovecot import Dovecot

from zeebe_connectors.runtime.inbound import sources as sources_module
from zeebe_connectors.runtime.inbound.sources import Sources
from zeebe_connectors.testing.servers import HttpServer, message

pytestmark = pytest.mark.skipif(bool(dovecot.why_not()), reason=str(dovecot.why_not()))


class DovecotHarness(Pop3Harness):
    """`Pop3Harness` with a mailbox of its own in Dovecot."""

    def __init__(self, server: Dovecot, directory: Path) -> None:
        super().__init__(SimpleNamespace(port=server.pop3_port), directory)
        self.dovecot = server
        self.user = f"{uuid.uuid4().hex[:8]}.o'neill@example.test"

    async def runtime(self, **changes: Any) -> Sources:
        given = {
            "authentication.username": self.user,
            "authentication.password": dovecot.PASSWORD,
            **changes,
        }
        return await super().runtime(**given)

    def deliver(self, *subjects: str) -> None:
        for subject in subjects:
            self.dovecot.deliver(self.user, message(subject))

    async def left(self, *subjects: str) -> None:
        """Waits until these mails are on the server."""
        ends = time.monotonic() + 15
        while (found := sorted(await asyncio.to_thread(self.dovecot.flags, self.user))) != sorted(subjects):
            assert time.monotonic() < ends, found
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def server():
    with Dovecot() as server:
        yield server


@pytest.fixture
async def harness(server, tmp_path, monkeypatch):
    async with harness_of(server, tmp_path, monkeypatch) as harness:
        yield harness


def harness_of(server: Dovecot, directory: Path, monkeypatch):
    """A harness whose sources begin again soon."""
    return running(DovecotHarness(server, directory), monkeypatch, permanent=0.5)


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize("remove", ["true", "false"])
async def test_mails_are_handed_over_once_whatever_the_encryption(harness, security, remove):
    port = harness.dovecot.pop3s_port if security == "tls" else harness.dovecot.pop3_port
    given = {
        "security": security,
        "port": str(port),
        "trustedCertificate": harness.dovecot.authorities,
        "remove": remove,
    }
    harness.deliver("one", "two")
    sources = await harness.runtime(**given)
    await harness.arrived("one", "two")
    await harness.left(*([] if remove == "true" else ["one", "two"]))
    await harness.end(sources)
    harness.deliver("three")
    await harness.runtime(**given)
    await harness.arrived("one", "two", "three")


def signed_in(http: HttpServer, issuer: TokenIssuer, kind: str) -> dict[str, str]:
    """Properties of a login by tokens from this issuer."""
    http.answer("/token", issuer.token)
    given = {
        "authentication.type": kind,
        "authentication.oauthTokenEndpoint": http.url("/token"),
        "authentication.clientId": issuer.client[0],
        "authentication.clientSecret": issuer.client[1],
    }
    if kind == "refreshToken":
        given["authentication.refreshToken"] = issuer.refresh
    return given


@pytest.mark.parametrize("kind", ["clientCredentials", "refreshToken"])
async def test_a_token_that_ends_is_renewed_when_the_server_refuses_it(harness, kind):
    """The endpoint promises an hour; the token lives two seconds. Each look at a POP3 mailbox signs in anew."""
    lives = iter([2])
    issuer = TokenIssuer(how="body", rotates=True, mint=lambda: dovecot.token(harness.user, life=next(lives, 600)))
    async with HttpServer() as http:
        sources = await harness.runtime(**signed_in(http, issuer, kind))
        harness.deliver("one")
        await harness.arrived("one")
        await asyncio.sleep(3.2)  # the server counts whole seconds
        harness.deliver("two")
        await harness.arrived("one", "two")
        await harness.until(lambda: health(sources)[0] == "UP")
    assert issuer.issued == 2


async def test_a_refused_token_is_reported_and_a_better_one_recovers(harness):
    wrong = partial(dovecot.token, harness.user, key=b"the-key-of-another-identity-provider")
    issuer = TokenIssuer(how="body", mint=wrong)
    harness.deliver("one")
    async with HttpServer() as http:
        sources = await harness.runtime(**signed_in(http, issuer, "clientCredentials"))
        await harness.until(lambda: health(sources)[0] == "DOWN")
        assert "refused the login" in health(sources)[1]
        assert wrong() not in health(sources)[1]
        issuer.mint = partial(dovecot.token, harness.user)
        await harness.arrived("one")
        await harness.until(lambda: health(sources)[0] == "UP")


async def test_a_server_that_is_away_is_reported_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sources_module, "_MAX_PAUSE", 0.2)
    with Dovecot() as server:
        async with harness_of(server, tmp_path, monkeypatch) as harness:
            sources = await harness.runtime()
            harness.deliver("one")
            await harness.arrived("one")
            server.stop()
            await harness.until(lambda: "cannot be reached" in health(sources)[1])
            server.start()
            harness.deliver("two")
            await harness.arrived("one", "two")
            await harness.until(lambda: health(sources)[0] == "UP")


async def test_a_mailbox_that_is_read_rarely_is_not_taken_for_one_that_hangs(harness, monkeypatch):
    monkeypatch.setattr(sources_module, "SILENCE", 0.1)
    harness.deliver("one")
    sources = await harness.runtime(checkEvery="PT1H")
    await harness.arrived("one")
    await harness.until(lambda: health(sources)[0] == "UP")
    (watch,) = sources.watches.values()
    assert watch._contact_deadline > asyncio.get_running_loop().time() + 3500
