"""Fetch mails from a POP3 mailbox in a task: none that another task has, and the same on every try.

What must not be forgotten stands in the memory, in three places of a mailbox: `tasks` (which mails a job is after,
fixed by its first try), `mails` (which job has a mail: the first one that asked) and `answers` (what a job was given,
before its mails are removed). Why that loses no mail and gives none twice: docs/adr/0008-exactly-once.md.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from zeebe_connectors import (
    ConnectorError,
    Context,
    Document,
    Group,
    Hint,
    Model,
    PermanentError,
    TransientError,
    When,
    outbound,
)
from zeebe_connectors.connectors.pop3.mailbox import ERRORS, Mailbox, open_mailbox, save
from zeebe_connectors.connectors.pop3.removed import MAX_LOST, Removed, mark_of
from zeebe_connectors.mail import read_mail
from zeebe_connectors.mail.pop3 import Pop3Session, Refused
from zeebe_connectors.mail.read_failures import ReadFailures, failures_of
from zeebe_connectors.mail.reading.parts import stored
from zeebe_connectors.mail.reading.smime.settings import open_keyring

if TYPE_CHECKING:
    from zeebe_connectors.mail.reading.smime.unwrap import Keyring

MAX_WANTED = 1000
"""Maximum number of mails that a job tries to claim; it misses one only if other jobs claim all of these first."""
MAX_ANSWER = 1024 * 1024
"""Characters of JSON after which an answer takes no further mail; a job returns 1.5 MiB at most."""


class Request(Mailbox):
    """What to receive, and from where."""

    operation: Annotated[
        Literal["MAIL_RECEIVE", "MAIL_RECEIVEALL"],
        Hint(
            group="operation",
            choices={"MAIL_RECEIVE": "Receive one mail", "MAIL_RECEIVEALL": "Receive all mails"},
            example="MAIL_RECEIVE",
        ),
    ] = "MAIL_RECEIVE"
    """How many mails the task receives."""
    max_mails: Annotated[
        int,
        Field(ge=1, le=MAX_WANTED),
        Hint(group="mails", label="Maximum mails", when=When("operation", ("MAIL_RECEIVEALL",))),
    ] = 50
    """The rest is left for the next task."""
    again: Annotated[bool, Hint(group="mails", label="Read again")] = False
    """Also return mails that other tasks have received and left on the server; otherwise each mail is for one task."""

    @property
    def one(self) -> bool:
        """Whether the task receives one mail."""
        return self.operation == "MAIL_RECEIVE"


class Received(Model):
    """What no task had received."""

    mail: dict[str, Any] | None = None
    """With `MAIL_RECEIVE`: the mail, or null when there is none. It has all that the source [`pop3`](pop3.md) gives,
    `uid` (the server's id for it), `savedTo` (the directory with its files, or null) and `failure` (null)."""
    mails: list[dict[str, Any]] | None = None
    """With `MAIL_RECEIVEALL`: the mails, the oldest first; empty when there are none. One that cannot be read has
    `failure.code` and `failure.message`, and no content."""
    remaining: int
    """Mails in the mailbox that no task has received yet."""


@outbound(
    "pop3-fetch",
    title="Mailbox (POP3): receive mails",
    type="io.github.zeebe-connectors:pop3:1",
    groups=[
        Group("operation", "Operation"),
        Group("authentication", "Authentication"),
        Group("server", "Server"),
        Group("mails", "Mails"),
        Group("smime", "S/MIME", open=False),
        Group("tls", "Certificates", open=False),
    ],
    errors={
        **ERRORS,
        "DOCUMENT_NOT_FOUND": "The result of an earlier try is no longer stored, and its mails have been deleted.",
    },
    protocols=("pop", "pops"),
    keywords=["mail", "email", "inbox", "pop3", "receive"],
    result_expression="={mail: response.mail, mails: response.mails}",
)
async def fetch(request: Request, context: Context) -> Received:
    """Receive one mail of a POP3 mailbox, or all, in a task: each mail in one task only.

    A task gets mails that no other task of the mailbox has received, the oldest first; when there are none it gets
    null (or an empty list) and continues. The runtime's ledger remembers which task has which mail, so that a task that
    is tried again gets the same ones, although they are removed from the server. A mail that cannot be read (too large,
    not decrypted) fails the task that receives one, and each further try reads it again; among all mails it is in the
    list with its `failure`. Such a mail is not removed.

    `MAIL_RECEIVEALL` ends early when the mails together would be too large for the engine; `remaining` says whether
    there are more. Tasks of one mailbox in one runtime wait for one another, since POP3 lets one session in at a time.
    """
    request.check(context.files)
    keyring = await open_keyring(request, context, max_bytes=request.max_mail_size)
    one_by_one = await context.clients.get(("pop3-fetch", request.account), asyncio.Lock)
    async with one_by_one:
        session = await open_mailbox(request, context.clients)
        try:
            one_try = _Fetch(request, context, keyring, session, await failures_of(_source(request), context.clients))
            answer = await one_try.answer()
            await one_try.quit()
            for mail in answer["mails"]:
                one_try.failures.succeeded(mail["uid"])
        finally:
            session.close()
    mails, remaining = answer["mails"], answer["remaining"]
    if request.one:
        return Received(mail=mails[0] if mails else None, remaining=remaining)
    return Received(mails=mails, remaining=remaining)


def _source(request: Request) -> str:
    return f"pop3-fetch:{request.account}"


@dataclass(slots=True)
class _Fetch:
    """One try of a job."""

    given: Request
    context: Context
    keyring: Keyring | None
    session: Pop3Session
    failures: ReadFailures
    marks: dict[str, str] = field(default_factory=dict)
    """What distinguishes the mails that were read, by id."""

    async def answer(self) -> dict[str, Any]:
        """Returns the mails and how many remain; marks those to be removed for deletion at the session's end."""
        here = await self.session.ids()
        if self.session.nameless:
            self.context.log.warning("Mails that have no id (UIDL) are not read: %d", self.session.nameless)
        numbers = await self._numbers(here)
        key = self.context.key
        earlier = (await self.context.memory.recall(self._place("answers"), [key])).get(key)
        answer = await self._read(earlier) if earlier else await self._made(numbers)
        if self.given.remove:
            for mail in answer["mails"]:
                if mail["uid"] in numbers and not mail["failure"]:
                    await self._removed.add(here[numbers[mail["uid"]]], here.values(), answer["marks"][mail["uid"]])
                    await self._delete(mail["uid"], numbers[mail["uid"]])
        return answer

    @property
    def _removed(self) -> Removed:
        return Removed(self.context.memory, self._place("removed"), self.failures)

    async def _numbers(self, here: dict[int, str]) -> dict[str, int]:
        """Returns the mails' numbers by id; a mail that only has a removed one's id gets a name of its own."""
        taken = await self.context.memory.recall(self._place("mails"), here.values()) if self.given.remove else {}
        numbers: dict[str, int] = {}
        for number, uid in here.items():
            another = None
            if uid in taken:
                try:
                    another = await self._removed.another(self.session, number, uid, here.values())
                except (Refused, PermanentError) as error:
                    self.context.log.warning("A mail that has the id of a removed one stays on the server: %s", error)
                    continue
            numbers[another or uid] = number
        return numbers

    async def _delete(self, uid: str, number: int) -> None:
        """Marks a mail for deletion; one that the server does not delete is this task's all the same, and stays."""
        if reason := await self._removed.delete(self.session, number, uid, limit=1):
            self.context.log.warning("A mail stays on the server: %s", reason)

    async def quit(self) -> None:
        """Ends the session; if the server never confirms the deletions, they are left to it rather than the job."""
        effect = f"quit {self.context.key}"
        try:
            await self.session.quit()
        except ConnectorError as error:
            self.failures.failed(effect, str(error))
            if not self.failures.verdict(effect, limit=MAX_LOST):
                raise
            self.context.log.warning("It is not certain that mails were removed from the server: %s", error)

    async def _made(self, numbers: dict[str, int]) -> dict[str, Any]:
        memory, key = self.context.memory, self.context.key
        takers = {} if self.given.again else await memory.recall(self._place("mails"), numbers)
        wanted = [uid for uid in numbers if takers.get(uid, key) == key][:MAX_WANTED]
        if not wanted:
            return {"mails": [], "remaining": 0, "marks": {}}
        # The first try fixes what the job is after: two tries at once must not share out the mails between them.
        fixed = json.loads(await memory.remember(self._place("tasks"), key, json.dumps(wanted)))
        if not numbers.keys() & set(fixed):  # somebody else removed them all, or another engine had a job of this key
            await memory.forget(self._place("tasks"), key)
            fixed = json.loads(await memory.remember(self._place("tasks"), key, json.dumps(wanted)))
        sizes = await self.session.sizes()
        mails: list[dict[str, Any]] = []
        length = 0
        for uid in fixed:
            if len(mails) >= (1 if self.given.one else self.given.max_mails) or length > MAX_ANSWER:
                break
            if uid not in numbers:
                continue
            if await memory.remember(self._place("mails"), uid, key) != key and not self.given.again:
                continue
            mails.append(await self._mail(uid, numbers[uid], sizes.get(numbers[uid], 0)))
            length += len(json.dumps(mails[-1]))
        taken = {*takers, *(mail["uid"] for mail in mails)}
        answer = {"mails": mails, "remaining": sum(uid not in taken for uid in numbers), "marks": self.marks}
        return await self._stored(answer) if self.given.remove and mails else answer

    def _place(self, name: str) -> str:
        return f"{_source(self.given)}/{name}"

    async def _stored(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Stores the answer before its mails are removed; returns what another try stored, if that was first."""
        text = json.dumps(answer).encode()
        document = await self.context.documents.create(text, name="mails.json", content_type="application/json")
        reference = json.dumps(dict(document.reference))
        first = await self.context.memory.remember(self._place("answers"), self.context.key, reference)
        return answer if first == reference else await self._read(first)

    async def _read(self, reference: str) -> dict[str, Any]:
        document = Document(json.loads(reference))
        content = await self.context.documents.read(document, seconds=self.context.seconds_left())
        answer: dict[str, Any] = json.loads(content.data)
        return answer

    async def _raw(self, number: int, *, headers_only: bool) -> bytes:
        try:
            return await (self.session.top(number) if headers_only else self.session.content(number))
        except Refused:
            with suppress(Refused):
                await self.session.command("NOOP")  # some refuse a mail and close
            raise

    async def _mail(self, uid: str, number: int, size: int) -> dict[str, Any]:
        """Returns one mail as the source returns it, with its files stored and saved."""
        given, context = self.given, self.context
        failure: ConnectorError | None = given.too_large(size)
        raw = b""
        # One try less than the usual three of a job: the last one must give the others.
        if verdict := self.failures.verdict(uid, limit=MAX_LOST):
            failure = PermanentError("POP3_CONNECTION_LOST", verdict)
        else:
            try:
                raw = await self._raw(number, headers_only=failure is not None)
            except TransientError as error:
                self.failures.failed(uid, str(error))
                raise
            except (Refused, PermanentError) as error:  # of this mail; the others can be read
                failure = failure or error
                if given.one and failure is error:
                    raise
        self.marks[uid] = mark_of(raw)
        mail = await read_mail(raw, keyring=self.keyring)
        failure = failure or mail.failure
        if failure and given.one:
            self.failures.succeeded(uid)  # each further try, after the incident, reads it again
            raise PermanentError(failure.code, f"{failure.message} (the server's id of the mail is {uid})")
        parts: dict[str, Any] = {}
        saved: str | None = None
        if not failure:
            if given.saves:
                saved = await asyncio.to_thread(save, mail, given, uid, context.files)
            parts = await stored(mail, context.documents)
        return {
            **mail.data(),
            **parts,
            "uid": uid,
            "savedTo": saved,
            "failure": {"code": failure.code, "message": failure.message} if failure else None,
        }
