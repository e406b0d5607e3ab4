"""Tasks receive each mail of a mailbox once, the same one on every try, whatever ends in between."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.harness import Harness

from zeebe_connectors import Document
from zeebe_connectors.connectors.pop3.fetch import fetch
from zeebe_connectors.runtime.ledger import StoredMemory, store_of
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.testing import Complete, Fail, run
from zeebe_connectors.testing.servers import Pop3Server, message

USER = "alice@example.test"
MAILS = Path(__file__).parents[2] / "mails"
STORED = Path(__file__).parents[2] / "mail" / "reading" / "smime" / "stored"


class FetchHarness(Harness):
    """With a POP3 server, and what outlives a job: the memory, the documents, the directory for files."""

    def __init__(self, server: Pop3Server, directory: Path, memory: Any) -> None:
        super().__init__(directory)
        self.server = server
        self.memory = memory
        self.clients: ClientCache | None = None

    async def task(self, operation: str = "MAIL_RECEIVE", *, key: int, seconds: float = 20.0, **inputs: Any) -> Any:
        given = {
            "operation": operation,
            "authentication": {"type": "simple", "username": USER, "password": "{{secrets.PASSWORD}}"},
            "host": "127.0.0.1",
            "port": self.server.port,
            "security": "none",
            **inputs,
        }
        return await run(
            fetch,
            given,
            result_variable="got",
            secrets={"PASSWORD": "secret"},
            memory=self.memory,
            clients=self.clients,
            documents=self.documents,
            files=[self.allowed],
            key=key,
            seconds=seconds,
        )

    async def got(self, operation: str = "MAIL_RECEIVE", **inputs: Any) -> dict[str, Any]:
        outcome = await self.task(operation, **inputs)
        assert isinstance(outcome, Complete), outcome
        return outcome.variables["got"]

    async def subject(self, **inputs: Any) -> str | None:
        mail = (await self.got(**inputs))["mail"]
        return mail and mail["subject"]

    async def subjects(self, **inputs: Any) -> list[str]:
        return [mail["subject"] for mail in (await self.got("MAIL_RECEIVEALL", **inputs))["mails"]]


@pytest.fixture
async def harness(tmp_path):
    store = store_of(None, tmp_path)
    async with Pop3Server() as server:
        yield FetchHarness(server, tmp_path, StoredMemory(store))
    await store.aclose()


def mails(*subjects: str) -> dict[str, bytes]:
    return {f"u-{subject}": message(subject) for subject in subjects}


async def test_each_task_gets_the_oldest_mail_that_none_has_received(harness):
    harness.server.mails = mails("one", "two")
    first = await harness.got(key=1)
    assert (first["mail"]["subject"], first["mail"]["uid"], first["remaining"]) == ("one", "u-one", 1)
    assert (first["mail"]["savedTo"], first["mail"]["failure"], first["mails"]) == (None, None, None)
    assert await harness.subject(key=2) == "two"
    assert await harness.got(key=3) == {"mail": None, "mails": None, "remaining": 0}
    harness.server.mails |= mails("three")
    assert await harness.subject(key=3) == "three"
    assert list(harness.server.mails) == ["u-one", "u-two", "u-three"]


async def test_all_are_received_with_a_bound_and_in_order(harness):
    harness.server.mails = mails(*"abcdefg")
    first = await harness.got("MAIL_RECEIVEALL", key=1, maxMails=3)
    assert [mail["subject"] for mail in first["mails"]] == ["a", "b", "c"]
    assert (first["remaining"], first["mail"]) == (4, None)
    assert await harness.subject(key=2) == "d"
    assert await harness.subjects(key=3) == ["e", "f", "g"]
    assert await harness.got("MAIL_RECEIVEALL", key=4) == {"mail": None, "mails": [], "remaining": 0}


async def test_an_answer_ends_before_it_is_too_large_for_the_engine(harness):
    harness.server.mails = {name: message(name, body="x" * 600_000) for name in "abc"}
    first = await harness.got("MAIL_RECEIVEALL", key=1)
    assert ([mail["subject"] for mail in first["mails"]], first["remaining"]) == (["a"], 2)
    assert await harness.subjects(key=2) == ["b"]


@pytest.mark.parametrize("remove", [True, False])
async def test_a_job_that_is_tried_again_gets_the_same_mails(harness, remove):
    """Its completion was lost; meanwhile others came, and the mails may be gone from the server."""
    harness.server.mails = mails("one", "two", "three")
    attachment = (MAILS / "mixed-with-footer.eml").read_bytes()
    harness.server.mails["u-one"] = attachment
    first = await harness.got(key=1, remove=remove)
    assert await harness.subject(key=2, remove=remove) == "two"
    assert list(harness.server.mails) == (["u-three"] if remove else ["u-one", "u-two", "u-three"])
    again = await harness.got(key=1, remove=remove)
    assert again["mail"]["subject"] == first["mail"]["subject"]
    file = Document(again["mail"]["attachments"][0])
    assert (await harness.documents.read(file, seconds=5)).data == b"a,b"
    harness.server.mails |= mails("four")
    assert await harness.subjects(key=3, remove=remove) == ["three", "four"]
    harness.server.mails |= mails("five")
    assert await harness.subjects(key=3, remove=remove) == ["three", "four"]
    assert await harness.subject(key=4, remove=remove) == "five"


async def test_a_job_whose_mails_somebody_else_removed_goes_on_with_others(harness):
    harness.server.mails = mails("one", "two")
    assert await harness.subject(key=1) == "one"
    harness.server.mails = mails("three")
    assert await harness.subject(key=1) == "three"
    assert await harness.subject(key=1) == "three"


class Died(BaseException):
    """The runtime is killed."""


class Dying:
    """Something whose calls count as steps, at one of which the runtime dies: before or after the effect."""

    def __init__(self, inner: Any, step: Callable[[], None]) -> None:
        self._inner, self._step = inner, step

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        async def stepped(*arguments: Any, **named: Any) -> Any:
            self._step()
            result = await call(*arguments, **named)
            self._step()
            return result

        return stepped


class Steps:
    """Counts the steps of a task and ends it at one of them."""

    def __init__(self, last: int) -> None:
        self.last, self.count = last, 0

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.last:
            raise Died


@pytest.mark.parametrize("operation", ["MAIL_RECEIVE", "MAIL_RECEIVEALL"])
@pytest.mark.parametrize("remove", [True, False])
async def test_a_runtime_may_die_at_any_step(tmp_path, operation, remove):
    """Before and after every write and every command: tried again, no mail is lost and none comes twice."""
    for last in itertools.count(1):
        (folder := tmp_path / str(last)).mkdir()
        async with Pop3Server() as server:
            harness = FetchHarness(server, folder, ShortMemory())
            server.mails = mails("one", "two")
            steps = Steps(last)
            memory, documents = harness.memory, harness.documents
            harness.memory, harness.documents = Dying(memory, steps), Dying(documents, steps)

            async def cut(session, arguments, *, name="", steps=steps):
                steps_before(steps, session)
                await getattr(session, f"do_{name}")(arguments)
                steps_before(steps, session)

            for name in ("uidl", "list", "retr", "dele", "quit"):
                server.answers[name.upper()] = lambda session, arguments, name=name: cut(session, arguments, name=name)
            died = await dies(harness.task(operation, key=1, remove=remove, maxMails=2))
            server.answers = {}
            harness.memory, harness.documents = memory, documents
            server.mails |= mails("three")
            first = await harness.got(operation, key=1, remove=remove, maxMails=2)
            received = [mail["subject"] for mail in first["mails"] or [first["mail"]]]
            rest = await harness.subjects(key=2, remove=remove)
            assert received + rest == ["one", "two", "three"], f"died at step {last}"
            assert list(server.mails) == ([] if remove else ["u-one", "u-two", "u-three"])
            if not died:
                assert last > 10
                return


def steps_before(steps: Steps, session: Any) -> None:
    """A step on the server's side: the connection is cut there."""
    try:
        steps()
    except Died:
        session.writer.transport.abort()
        raise ConnectionError from None


async def dies(task: Any) -> bool:
    """Whether the runtime died or the task failed."""
    try:
        return not isinstance(await task, Complete)
    except Died:
        return True


async def test_two_tries_at_once_are_given_the_same(harness):
    """The first runtime was thought dead, and a mail came before the second began."""
    harness.server.mails = mails("one", "two")
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(session, number):
        begun.set()
        await go_on.wait()
        await session.do_retr(number)

    harness.server.answers["RETR"] = slow
    first = asyncio.create_task(harness.subjects(key=1))
    await begun.wait()
    harness.server.answers = {}
    harness.server.mails |= mails("three")
    second = await harness.subjects(key=1)
    go_on.set()
    assert await first == second == ["one", "two"]
    assert await harness.subjects(key=2) == ["three"]


async def test_many_tasks_at_once_share_the_mails_out(harness):
    harness.server.mails = mails(*map(str, range(12)))
    received = await asyncio.gather(*(harness.subject(key=key) for key in range(1, 15)))
    assert sorted(filter(None, received), key=int) == list(map(str, range(12)))
    assert received.count(None) == 2


async def test_tasks_of_one_runtime_wait_for_one_another(harness):
    """A POP3 server lets one session at a time into a mailbox."""
    inside = 0

    async def enter(session, password):
        nonlocal inside
        if inside:
            session.send("-ERR [IN-USE] somebody reads it")
            return
        inside += 1
        await session.do_pass(password)

    async def leave(session, _):
        nonlocal inside
        await session.do_quit(_)
        inside -= 1

    harness.server.answers = {"PASS": enter, "QUIT": leave}
    harness.server.mails = mails(*map(str, range(5)))
    harness.clients = ClientCache()
    received = await asyncio.gather(*(harness.subject(key=key, remove=True) for key in range(1, 6)))
    await harness.clients.aclose()
    assert sorted(received) == list(map(str, range(5)))
    assert not harness.server.mails


async def test_a_mailbox_in_use_elsewhere_is_tried_later(harness):
    async def busy(session, _):
        session.send("-ERR [IN-USE] somebody reads it")

    harness.server.answers["PASS"] = busy
    failed = await harness.task(key=1)
    assert (failed.code, failed.retries, failed.backoff) == ("POP3_IN_USE", 2, 30)


async def test_a_mail_that_is_too_large_fails_its_task_and_no_other(harness):
    harness.server.mails = {"u-big": message("big", body="x" * 5000), **mails("one")}
    failed = await harness.task(key=1, maxMailSize=1000, remove=True)
    assert isinstance(failed, Fail)
    assert (failed.code, failed.retries) == ("MAIL_TOO_LARGE", 0)
    assert "u-big" in failed.message
    assert "RETR 1" not in harness.server.commands
    assert await harness.subject(key=2, maxMailSize=1000, remove=True) == "one"
    assert list(harness.server.mails) == ["u-big"]
    assert await harness.subject(key=1, remove=True) == "big"  # the operator mended it
    assert not harness.server.mails


async def test_a_mail_that_is_too_large_is_called_so_by_a_server_without_headers_too(harness):
    """It has no TOP; the others are given."""

    async def refused(session, _):
        session.send("-ERR unknown command")

    harness.server.answers["TOP"] = refused
    harness.server.mails = {"u-big": message("big", body="x" * 5000), **mails("one")}
    failed = await harness.task(key=1, maxMailSize=1000, remove=True)
    assert (failed.code, failed.retries) == ("MAIL_TOO_LARGE", 0)
    assert await harness.subject(key=2, maxMailSize=1000, remove=True) == "one"


async def test_among_all_a_mail_that_cannot_be_read_says_why(harness):
    harness.server.mails = {"u-big": message("big", body="x" * 5000), **mails("one")}
    big, one = (await harness.got("MAIL_RECEIVEALL", key=1, maxMailSize=1000, remove=True))["mails"]
    assert (big["subject"], big["failure"]["code"], big["attachments"]) == ("big", "MAIL_TOO_LARGE", [])
    assert (one["subject"], one["failure"]) == ("one", None)
    assert list(harness.server.mails) == ["u-big"]


async def test_text_and_attachments_are_saved_and_their_files_named(harness):
    long = "ä" * 180 + ".csv"
    raw = (MAILS / "mixed-with-footer.eml").read_bytes().replace(b"list.csv", long.encode())
    harness.server.mails = {"u/1": raw, "u_1": message("two")}
    first = (await harness.got(key=1, saveTo="in/"))["mail"]
    second = (await harness.got(key=2, saveTo="in"))["mail"]
    assert first["savedTo"] != second["savedTo"] == f"in/{USER}@127.0.0.1/u_1"
    folder = harness.allowed / first["savedTo"]
    assert "footer" in (folder / "mail.txt").read_text(encoding="utf-8")
    (file,) = folder.glob("1-*.csv")
    assert file.read_bytes() == b"a,b"


@pytest.mark.parametrize(
    ("inputs", "code", "expected"),
    [
        ({"active": "false"}, "POP3_INACTIVE", "switched off"),
        ({"saveTo": "../elsewhere"}, "FILE_FORBIDDEN", "saveTo"),
        ({"smimeKey": "../key"}, "FILE_FORBIDDEN", "smimeKey"),
        ({"trustedCertificate": "x"}, "INVALID_INPUT", "trustedCertificate"),
        ({"operation": "MAIL_DELETE"}, "INVALID_INPUT", "operation"),
        ({"maxMails": 0}, "INVALID_INPUT", "maxMails"),
    ],
)
async def test_what_is_wrong_is_an_incident_that_says_it(harness, inputs, code, expected):
    failed = await harness.task(key=1, **inputs)
    assert (failed.code, failed.retries) == (code, 0)
    assert expected in failed.message


async def test_files_that_cannot_be_written_are_tried_again(harness):
    harness.server.mails = mails("one")
    (harness.allowed / "in").write_text("a file, no directory")
    failed = await harness.task(key=1, saveTo="in")
    assert (failed.code, failed.retries) == ("MAIL_NOT_SAVED", 2)
    (harness.allowed / "in").unlink()
    assert await harness.subject(key=1, saveTo="in") == "one"


async def test_a_server_that_falls_silent_ends_with_the_jobs_time(harness):
    async def mute(session, arguments):
        await asyncio.sleep(3600)

    harness.server.mails = mails("one")
    harness.server.answers["RETR"] = mute
    failed = await harness.task(key=1, seconds=1.0, remove=True)
    assert (failed.code, failed.retries) == ("JOB_TIMEOUT", 2)
    harness.server.drop()
    harness.server.answers = {}
    assert list(harness.server.mails) == ["u-one"]
    assert await harness.subject(key=1, remove=True) == "one"


async def test_an_encrypted_mail_is_read_with_the_key_and_its_signature_reported(harness):
    raw = (STORED / "rsa-signed-inside.eml").read_bytes()
    harness.server.mails = {"u-1": raw}
    (harness.allowed / "key.p12").write_bytes((STORED / "rsa.p12").read_bytes())
    inputs = {
        "smimeKey": "key.p12",
        "smimePassword": "changeit",
        "smimeTrusted": (STORED / "authority.pem").read_text(),
        "saveTo": "in",
    }
    mail = (await harness.got(key=1, **inputs))["mail"]
    assert mail["plainTextBody"].strip() == "a secret text"
    assert (mail["encrypted"], mail["signature"]["status"]) == (True, "valid")
    assert (harness.allowed / "in" / f"{USER}@127.0.0.1" / "u-1" / "1-list.csv").read_bytes() == b"a,b"
    without = (await harness.got(key=1))["mail"]
    assert "smimeKey" in without["errors"][0]
    assert without["attachments"][0]["metadata"]["fileName"] == "smime.p7m"


async def test_a_mail_for_another_key_fails_its_task_and_stays(harness):
    harness.server.mails = {"u-1": (STORED / "ec-aes256.eml").read_bytes()}
    (harness.allowed / "key.p12").write_bytes((STORED / "rsa.p12").read_bytes())
    failed = await harness.task(key=1, smimeKey="key.p12", smimePassword="changeit", remove=True)
    assert (failed.code, failed.retries) == ("MAIL_NOT_DECRYPTED", 0)
    assert "not encrypted for the key" in failed.message
    listed = await harness.got("MAIL_RECEIVEALL", key=1, smimeKey="key.p12", smimePassword="changeit", remove=True)
    assert listed["mails"][0]["failure"]["code"] == "MAIL_NOT_DECRYPTED"
    assert list(harness.server.mails) == ["u-1"]


async def test_whatever_comes_is_given(harness):
    """All nasty mails, in as many answers as it takes."""
    harness.server.mails = {path.stem: path.read_bytes() for path in sorted(MAILS.glob("*.eml"))}
    received: list[str] = []
    for key in itertools.count(1):
        answer = await harness.got("MAIL_RECEIVEALL", key=key, maxMails=1000)
        assert len(json.dumps(answer)) < 4_000_000
        received += [mail["uid"] for mail in answer["mails"]]
        assert answer["remaining"] == len(harness.server.mails) - len(received)
        if not answer["mails"]:
            break
    assert received == list(harness.server.mails)


async def test_a_token_signs_in_and_a_refused_one_is_renewed(harness):
    tokens = iter(["expired-token", "good-token"])

    async def issue(_: web.Request) -> web.Response:
        return web.json_response({"access_token": next(tokens), "expires_in": 3600})

    app = web.Application()
    app.router.add_post("/token", issue)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    harness.server.mails = mails("one")
    login = {
        "type": "clientCredentials",
        "username": USER,
        "oauthTokenEndpoint": f"http://127.0.0.1:{runner.addresses[0][1]}/token",
        "clientId": "c",
        "clientSecret": "{{secrets.PASSWORD}}",
    }
    try:
        assert await harness.subject(key=1, authentication=login) == "one"
    finally:
        await runner.cleanup()


async def test_apop_is_used_where_it_is_offered(harness):
    harness.server.banner = "+OK <1896.697170952@dbc.example.test>"
    harness.server.mails = mails("one")
    assert await harness.subject(key=1) == "one"
    assert not [command for command in harness.server.commands if "secret" in command]


async def test_a_mail_that_the_server_cannot_read_is_in_the_list_with_its_failure(harness):
    async def retr(session, number):
        if session.listed[int(number) - 1] == "u-one":
            session.send("-ERR message is corrupt")
        else:
            await session.do_retr(number)

    harness.server.answers["RETR"] = retr
    harness.server.mails = mails("one", "two")
    got = await harness.got("MAIL_RECEIVEALL", key=1, remove=True)
    assert [(mail["uid"], mail["subject"]) for mail in got["mails"]] == [("u-one", ""), ("u-two", "two")]
    assert got["mails"][0]["failure"]["code"] == "POP3_REFUSED"
    assert list(harness.server.mails) == ["u-one"]


async def test_a_mail_that_the_server_does_not_delete_is_received_once(harness):
    async def dele(session, number):
        session.send("-ERR read-only")

    harness.server.answers["DELE"] = dele
    harness.server.mails = mails("one")
    assert await harness.subject(key=1, remove=True) == "one"
    assert await harness.subject(key=2, remove=True) is None
