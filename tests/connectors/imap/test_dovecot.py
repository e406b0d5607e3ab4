"""The source beside Dovecot, which checks tokens, encodes names, numbers anew and forgives less than ours."""

from __future__ import annotations

import asyncio
import base64
import random
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.imap.test_source import ImapHarness
from tests.harness import health, running
from tests.servers import dovecot
from tests.servers.auth import TokenIssuer
from tests.servers.dovecot import Dovecot

from zeebe_connectors import Document
from zeebe_connectors.connectors.imap import watcher as watcher_module
from zeebe_connectors.runtime.inbound import sources as sources_module
from zeebe_connectors.runtime.inbound.sources import Sources
from zeebe_connectors.testing.servers import HttpServer, message

pytestmark = pytest.mark.skipif(bool(dovecot.why_not()), reason=str(dovecot.why_not()))


class DovecotHarness(ImapHarness):
    """`ImapHarness` with a mailbox of its own in Dovecot."""

    server: Dovecot

    def __init__(self, server: Dovecot, directory: Path) -> None:
        super().__init__(server, directory)
        self.user = f"{uuid.uuid4().hex[:8]}.o'neill@example.test"

    @property
    def port(self) -> int:
        return self.server.imap_port

    def properties(self, **changes: Any) -> dict[str, Any]:
        given = {
            "authentication__username": self.user,
            "authentication__password": dovecot.PASSWORD,
            **changes,
        }
        return super().properties(**given)

    def deliver(self, *subjects: str, folder: str = "INBOX") -> None:
        for subject in subjects:
            self.server.deliver(self.user, message(subject), folder=folder)

    async def flagged(self, expected: dict[str, str], folder: str = "INBOX") -> None:
        """Waits until the folder's mails have these flags."""
        wanted = {subject: {*flags.split()} for subject, flags in expected.items()}
        ends = time.monotonic() + 15
        while (found := await asyncio.to_thread(self.server.flags, self.user, folder)) != wanted:
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


@pytest.mark.parametrize("security", ["NONE", "STARTTLS", "TLS"])
async def test_mails_are_handed_over_and_marked_whatever_the_encryption(harness, security):
    """The password holds quotes, backslashes and an umlaut."""
    harness.deliver("there already")
    port = harness.server.imaps_port if security == "TLS" else harness.server.imap_port
    await harness.runtime(
        data__imapConfig__imapCryptographicProtocol=security,
        data__imapConfig__imapPort=str(port),
        data__imapConfig__trustedCertificate=harness.server.authorities,
    )
    await harness.arrived("there already")
    harness.deliver("pushed")
    await harness.arrived("there already", "pushed")
    await harness.flagged({"there already": "\\Seen", "pushed": "\\Seen"})


async def test_a_certificate_that_nobody_trusts_is_refused(harness):
    sources = await harness.runtime(
        data__imapConfig__imapCryptographicProtocol="TLS", data__imapConfig__imapPort=str(harness.server.imaps_port)
    )
    await harness.until(lambda: health(sources)[0] == "DOWN")
    assert "is not trusted" in health(sources)[1]


# Tokens


def signed_in(http: HttpServer, issuer: TokenIssuer, kind: str) -> dict[str, str]:
    """Properties of a login by tokens from this issuer."""
    http.answer("/token", issuer.token)
    given = {
        "authentication__type": kind,
        "authentication__oauthTokenEndpoint": http.url("/token"),
        "authentication__clientId": issuer.client[0],
        "authentication__clientSecret": issuer.client[1],
    }
    if kind == "refreshToken":
        given["authentication__refreshToken"] = issuer.refresh
    return given


@pytest.mark.parametrize("kind", ["clientCredentials", "refreshToken"])
@pytest.mark.parametrize("seconds", [2, 3600], ids=["end given", "no end given"])
async def test_a_token_that_ends_while_watching_is_renewed_and_no_mail_is_lost_or_doubled(harness, kind, seconds):
    """With `no end given` the endpoint promises an hour, so only the mail server's refusal tells of the end."""
    lives = iter([2])
    issuer = TokenIssuer(
        how="body", life=seconds, rotates=True, mint=lambda: dovecot.token(harness.user, life=next(lives, 600))
    )
    async with HttpServer() as http:
        await harness.runtime(**signed_in(http, issuer, kind))
        harness.deliver("one")
        await harness.arrived("one")
        assert issuer.issued == 1
        await asyncio.sleep(3.2)  # the server counts whole seconds
        harness.deliver("two")  # the session that began with the token goes on
        await harness.arrived("one", "two")
        harness.server.admin("kick", harness.user)
        harness.deliver("three")
        await harness.arrived("one", "two", "three")
        await harness.until(lambda: issuer.issued == 2)
        harness.deliver("four")
        await harness.arrived("one", "two", "three", "four")
    assert issuer.issued == 2


async def test_a_refused_token_is_reported_and_a_better_one_recovers(harness):
    wrong = partial(dovecot.token, harness.user, key=b"the-key-of-another-identity-provider")
    issuer = TokenIssuer(how="body", mint=wrong)
    harness.deliver("one")
    async with HttpServer() as http:
        sources = await harness.runtime(**signed_in(http, issuer, "clientCredentials"))
        await harness.until(lambda: health(sources)[0] == "DOWN")
        assert "refused the login" in health(sources)[1]
        assert '"status":"401"' in health(sources)[1]  # the server's own words
        assert wrong() not in health(sources)[1]
        issuer.mint = partial(dovecot.token, harness.user)
        await harness.arrived("one")
        assert health(sources)[0] == "UP"


async def test_a_token_of_somebody_else_opens_no_mailbox(harness):
    issuer = TokenIssuer(how="body", mint=partial(dovecot.token, "eve@example.test"))
    harness.deliver("one")
    async with HttpServer() as http:
        sources = await harness.runtime(**signed_in(http, issuer, "clientCredentials"))
        await harness.until(lambda: health(sources)[0] == "DOWN")
    assert harness.subjects() == []


async def test_a_token_endpoint_that_is_away_is_reported_and_comes_back(harness):
    issuer = TokenIssuer(how="body", mint=partial(dovecot.token, harness.user))
    harness.deliver("one")
    async with HttpServer() as http:
        given = signed_in(http, issuer, "clientCredentials")
        http.answer("/token", lambda _: b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n")
        sources = await harness.runtime(**given)
        await harness.until(lambda: health(sources)[0] == "DOWN")
        assert "no access token" in health(sources)[1]
        http.answer("/token", issuer.token)
        await harness.arrived("one")


# Folders


@pytest.mark.parametrize("separator", ["/", "."])
async def test_folders_have_names_in_any_script_below_one_another(separator, tmp_path, monkeypatch):
    watched, target = 'Aufträge/日本語/№ 5 & "söhne"', "Erledigt/заказы/تم 🎉"
    with Dovecot(separator=separator) as server:
        real = watched.replace("/", separator)
        async with harness_of(server, tmp_path, monkeypatch) as harness:
            server.admin("mailbox", "create", "-u", harness.user, real)
            harness.deliver("one", folder=real)
            await harness.runtime(
                data__folderToListen=watched,
                data__pollingConfig__handlingStrategy="MOVE",
                data__pollingConfig__targetFolder=target,
            )
            await harness.arrived("one")
            await harness.flagged({"one": "\\Seen"}, target.replace("/", separator))
            await harness.flagged({}, real)
            harness.deliver("two", folder=real)
            await harness.arrived("one", "two")


ALL_AS_THEY_ARE = {
    "data__pollingConfigDiscriminator": "allPollingConfig",
    "data__pollingConfig__handlingStrategy": "NONE",
    "data__folderToListen": "Orders",
}


def numbered_anew(harness: DovecotHarness, folder: str) -> None:
    """Deletes the folder and makes it again with the same mails in another order: other UIDs, another UIDVALIDITY."""
    server, user = harness.server, harness.user
    server.admin("mailbox", "create", "-u", user, "Backup")
    for subject in reversed(list(server.flags(user, folder))):
        server.admin("copy", "-u", user, "Backup", "mailbox", folder, "header", "subject", subject)
    server.admin("mailbox", "delete", "-u", user, folder)
    server.admin("mailbox", "create", "-u", user, folder)
    server.admin("copy", "-u", user, folder, "mailbox", "Backup", "all")
    server.admin("mailbox", "delete", "-u", user, "Backup")


@pytest.fixture
def looks_often(monkeypatch):
    """A watcher in IDLE is not told by this server that its folder is gone: it finds out when it looks again."""
    monkeypatch.setattr(watcher_module, "SAFETY_POLL", 1.0)


async def test_a_folder_that_is_deleted_and_made_again_while_watched_hands_nothing_over_again(harness, looks_often):
    harness.server.admin("mailbox", "create", "-u", harness.user, "Orders")
    harness.deliver("one", "two", "three", folder="Orders")
    sources = await harness.runtime(**ALL_AS_THEY_ARE)
    await harness.arrived("one", "two", "three")
    first = harness.server.admin("mailbox", "status", "-u", harness.user, "uidvalidity", "Orders")
    await asyncio.to_thread(numbered_anew, harness, "Orders")
    assert harness.server.admin("mailbox", "status", "-u", harness.user, "uidvalidity", "Orders") != first
    harness.deliver("four", folder="Orders")
    await harness.arrived("one", "two", "three", "four")
    assert await places(sources) == 2  # the last mail was handed over under the new numbering


async def places(sources: Sources) -> int:
    """Under how many numberings mails were handed over."""
    return len({entry.id.rpartition("/")[0] for entry in await sources._shared.ledger.entries()})


async def test_a_deleted_folder_is_reported_by_name_and_watched_again_when_it_is_back(harness, looks_often):
    harness.server.admin("mailbox", "create", "-u", harness.user, "Orders")
    harness.deliver("one", folder="Orders")
    sources = await harness.runtime(**ALL_AS_THEY_ARE)
    await harness.arrived("one")
    harness.server.admin("mailbox", "delete", "-u", harness.user, "Orders")
    await harness.until(lambda: health(sources)[0] == "DOWN" and "'Orders'" in health(sources)[1])
    harness.server.admin("mailbox", "create", "-u", harness.user, "Orders")
    harness.deliver("two", folder="Orders")
    await harness.arrived("one", "two")
    assert health(sources)[0] == "UP"


# What becomes of mails


@pytest.mark.parametrize(
    "capabilities", ["", "IMAP4rev1 IDLE UIDPLUS", "IMAP4rev1 IDLE"], ids=["MOVE", "UIDPLUS", "neither"]
)
async def test_moving_and_deleting_takes_along_no_mail_that_somebody_else_marked(capabilities, tmp_path, monkeypatch):
    """EXPUNGE alone would remove the other's mail as well; without UIDPLUS ours stays, marked as deleted."""
    with Dovecot(capabilities=capabilities) as server:
        for strategy, left in (("MOVE", {"ours"}), ("DELETE", set())):
            async with harness_of(server, tmp_path / strategy, monkeypatch) as harness:
                harness.deliver("theirs")
                server.admin("flags", "add", "-u", harness.user, "\\Deleted \\Seen urgent", "mailbox", "INBOX", "all")
                harness.deliver("ours")
                await harness.runtime(
                    data__pollingConfigDiscriminator="allPollingConfig",
                    data__pollingConfig__handlingStrategy=strategy,
                    data__pollingConfig__targetFolder="Done",
                )
                await harness.arrived("ours")
                inbox = {"theirs": "\\Deleted \\Seen urgent"}
                if "UIDPLUS" not in capabilities and capabilities:
                    inbox["ours"] = "\\Deleted \\Seen" if strategy == "MOVE" else "\\Deleted"
                await harness.flagged(inbox)
                if strategy == "MOVE":
                    assert set(server.flags(harness.user, "Done")) == left


async def test_keywords_and_flags_of_others_stay(harness):
    harness.deliver("one")
    harness.server.admin("flags", "add", "-u", harness.user, "\\Flagged urgent $Label1", "mailbox", "INBOX", "all")
    await harness.runtime(data__pollingConfig__handlingStrategy="MOVE", data__pollingConfig__targetFolder="Done")
    await harness.arrived("one")
    await harness.flagged({"one": "\\Flagged \\Seen urgent $Label1"}, "Done")


async def test_a_mail_that_another_client_removes_meanwhile_harms_no_other(harness):
    harness.deliver(*(str(number) for number in range(20)))
    harness.gateway.slow("publish", 0.05)
    await harness.runtime()
    await harness.until(lambda: len(harness.subjects()) >= 2)
    harness.server.admin("expunge", "-u", harness.user, "mailbox", "INBOX", "header", "subject", "15")
    await harness.until(lambda: "19" in harness.subjects())
    assert len(harness.subjects()) == len(set(harness.subjects())) >= 19


# Silence


async def test_a_server_that_is_away_is_reported_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sources_module, "_MAX_PAUSE", 0.2)
    with Dovecot() as server:
        async with harness_of(server, tmp_path, monkeypatch) as harness:
            sources = await harness.runtime()
            harness.deliver("one")
            await harness.arrived("one")
            server.stop()
            await harness.until(lambda: "cannot be reached" in health(sources)[1])
            await asyncio.sleep(1)
            assert health(sources)[0] == "DOWN"
            server.start()
            harness.deliver("two")
            await harness.arrived("one", "two")
            assert health(sources)[0] == "UP"


@pytest.mark.slow
async def test_a_fifty_megabyte_attachment_becomes_a_document_and_holds_nothing_up(harness):
    content = random.Random(1).randbytes(1 << 20) * 50
    raw = (
        b"From: a@b.test\r\nSubject: big\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
        b"Content-Type: application/zip\r\nContent-Disposition: attachment; filename=big.zip\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(content).replace(b"\n", b"\r\n")
        + b"--b--\r\n"
    )
    await asyncio.to_thread(harness.server.deliver, harness.user, raw)
    loop, gaps, ended = asyncio.get_running_loop(), [0.0], asyncio.Event()

    async def watch_the_loop() -> None:
        while not ended.is_set():
            before = loop.time()
            await asyncio.sleep(0.005)
            gaps.append(loop.time() - before)

    watching = asyncio.create_task(watch_the_loop())
    sources = await harness.runtime(data__maxMailSize=str(100 * 1024 * 1024))
    await harness.arrived("big")
    ended.set()
    await watching
    (mail,) = harness.gateway.messages.values()
    (file,) = mail.data["variables"]["files"]
    stored = await sources._shared.services.documents.read(Document(file), seconds=20)
    assert stored.data == content
    assert max(gaps) < 1, f"the loop was held up for {max(gaps):.2f} s"
