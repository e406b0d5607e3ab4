"""List, search, read and delete mails over POP3 for the official email task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from zeebe_connectors import ConnectorError, Context, PermanentError
from zeebe_connectors.connectors.email.criteria import holds, read_criteria
from zeebe_connectors.connectors.email.effect import Effect
from zeebe_connectors.connectors.email.form_parts import MAX_MAIL_SIZE
from zeebe_connectors.connectors.email.mails import (
    MAX_HEAD,
    MAX_LISTED,
    Head,
    by_date,
    check_size,
    heads_of,
    is_same,
    not_found,
    read_result,
    texts,
    too_many,
    turns,
    wanted_id,
)
from zeebe_connectors.connectors.email.model import Pop3Task
from zeebe_connectors.connectors.email.pop3_form import (
    DeletePop3,
    ListPop3,
    ListPop3Data,
    ReadPop3,
    ReadPop3Data,
    SearchPop3,
    SearchPop3Data,
)
from zeebe_connectors.connectors.email.results import DeletedMail, FoundMail, ListedMail, ReadMail
from zeebe_connectors.mail.pop3 import Pop3Session, Refused
from zeebe_connectors.mail.refusals import is_temporary
from zeebe_connectors.net.tls import trust

BATCH = 100
_FIELD = "data.pop3Action"

Result = list[ListedMail] | list[FoundMail] | ReadMail | DeletedMail


async def carry_out(task: Pop3Task, context: Context) -> Result:
    """Carries out one action.

    Raises:
        ConnectorError: With one of the codes that the connector documents.
    """
    data = task.data
    async with _opened(task, context) as session:
        if isinstance(data, ListPop3Data):
            return await _list(session, data.pop3_action)
        if isinstance(data, SearchPop3Data):
            return await _search(session, data.pop3_action)
        if isinstance(data, ReadPop3Data):
            return await _read(session, data.pop3_action, context)
        return await _delete(session, data.pop3_action, context)


@asynccontextmanager
async def _opened(task: Pop3Task, context: Context) -> AsyncIterator[Pop3Session]:
    """Opens a session; reading and listing need no answer of the server at its end, a deletion does."""
    config = task.data.pop3_config
    tls = await asyncio.to_thread(trust, config.trusted_certificate, field="data.pop3Config.trustedCertificate")
    account = ("pop3", config.pop3_host, config.port, task.login.username)
    async with await turns(account, 1, context):  # a POP3 server locks the mailbox for one
        session = await Pop3Session.open(
            config.pop3_host, config.port, config.security, login=task.login, clients=context.clients, tls=tls
        )
        try:
            yield session
            if session.is_open:
                with suppress(ConnectorError):
                    await session.quit()
        finally:
            session.close()


async def _list(session: Pop3Session, action: ListPop3) -> list[ListedMail]:
    sizes = await session.sizes()
    count = min(action.max_to_be_read, len(sizes))
    if count > MAX_LISTED:
        raise too_many(count)
    descending = action.sort_order == "DESC"
    if action.sort_field == "SIZE":
        numbers = sorted(sizes, key=lambda number: sizes[number], reverse=descending)[:count]
        return [head.listed() async for _, head in _heads(session, numbers, sizes)]
    heads = [head async for _, head in _heads(session, sizes, sizes)]
    heads.sort(key=by_date(lambda head: head.sent), reverse=descending)
    return [head.listed() for head in heads[:count]]


async def _heads(
    session: Pop3Session, numbers: Iterable[int], sizes: dict[int, int]
) -> AsyncIterator[tuple[int, Head]]:
    """Yields the headers of mails with their numbers; without TOP the mails are read whole, up to a size."""
    wanted = list(numbers)
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        found: dict[int, bytes] = {}
        for number, raw in zip(batch, await session.tops(batch), strict=True):
            if raw is not None:
                found[number] = raw
            elif sizes[number] <= MAX_MAIL_SIZE:
                with suppress(Refused):  # gone, by another session's doing
                    found[number] = (await session.read(number))[:MAX_HEAD]
        heads = await heads_of((raw, sizes[number]) for number, raw in found.items())
        for number, head in zip(found, heads, strict=True):
            yield number, head
        await asyncio.sleep(0)  # others have their turn between two batches


async def _search(session: Pop3Session, action: SearchPop3) -> list[FoundMail]:
    criterion = read_criteria(action.criteria, field=f"{_FIELD}.criteria")
    sizes = await session.sizes()
    found: list[FoundMail] = []
    async for number, head in _heads(session, sizes, sizes):
        verdict = holds(criterion, head.sender, head.subject or "", None)
        if verdict is None:  # only then is the whole mail read
            raw = b""
            if sizes[number] <= MAX_MAIL_SIZE:
                with suppress(Refused):  # gone, or unreadable: it does not keep the others from being found
                    raw = await session.read(number)
            verdict = holds(criterion, head.sender, head.subject or "", await texts(raw))
        if verdict:
            found.append(head.found())
    if len(found) > MAX_LISTED:
        raise too_many(len(found))
    return found


async def _find(session: Pop3Session, message_id: str, sizes: dict[int, int]) -> int | None:
    """Finds the newest mail with this Message-ID: processes ask for recent mails, and POP3 has no search."""
    newest_first: Sequence[int] = sorted(sizes, reverse=True)
    async for number, head in _heads(session, newest_first, sizes):
        if is_same(head.message_id, message_id):
            return number
    return None


async def _read(session: Pop3Session, action: ReadPop3, context: Context) -> ReadMail:
    sizes = await session.sizes()
    number = await _find(session, wanted_id(action.message_id, field=f"{_FIELD}.messageId"), sizes)
    if number is None:
        raise not_found("the mailbox")
    check_size(sizes[number], action.max_mail_size, field=f"{_FIELD}.maxMailSize")
    try:
        raw = await session.content(number)
    except Refused as error:
        if is_temporary(error.text):
            raise
        raise not_found("the mailbox") from None  # removed by another session meanwhile
    except PermanentError:
        raise not_found("the mailbox") from None
    check_size(len(raw.rstrip()), action.max_mail_size, field=f"{_FIELD}.maxMailSize")  # a list may say less
    return await read_result(raw, context, size=sizes[number])


async def _delete(session: Pop3Session, action: DeletePop3, context: Context) -> DeletedMail:
    message_id = wanted_id(action.message_id, field=f"{_FIELD}.messageId")
    effect = Effect(context, "delete", message_id)
    earlier = await effect.started_before()
    sizes = await session.sizes()
    if earlier:  # that very mail, and no other with its Message-ID; nor one that was given its id since
        same = [number for number, uid in (await session.ids()).items() if uid == earlier]
        number = await _find(session, message_id, {one: sizes.get(one, 0) for one in same})
    else:
        number = await _find(session, message_id, sizes)
    if number is not None:
        if earlier is None:
            await effect.begin(await _mark(session, number))
        await session.delete(number)
        await session.quit()  # only now is it gone
    elif earlier is None:
        raise not_found("the mailbox")
    return DeletedMail(message_id=action.message_id, deleted=True)


async def _mark(session: Pop3Session, number: int) -> str:
    """Returns what distinguishes a mail from another with the same Message-ID; empty if the server has no ids."""
    try:
        return (await session.ids()).get(number, "")
    except ConnectorError as error:
        if error.code != "POP3_NO_IDS":
            raise
        return ""
