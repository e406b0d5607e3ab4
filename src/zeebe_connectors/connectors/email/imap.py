"""List, search, read, move and delete mails over IMAP for the official email task.

Only this module of the connector needs the library of the extra `imap`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from zeebe_connectors import Context, PermanentError
from zeebe_connectors.connectors.email.criteria import Criterion, holds, read_criteria, search_words
from zeebe_connectors.connectors.email.effect import Effect
from zeebe_connectors.connectors.email.form_parts import MAX_MAIL_SIZE
from zeebe_connectors.connectors.email.imap_form import (
    DeleteImap,
    DeleteImapData,
    ListImap,
    ListImapData,
    MoveImap,
    ReadImap,
    ReadImapData,
    SearchImap,
    SearchImapData,
)
from zeebe_connectors.connectors.email.mails import (
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
from zeebe_connectors.connectors.email.model import ImapTask
from zeebe_connectors.connectors.email.results import DeletedMail, FoundMail, ListedMail, MovedMail, ReadMail
from zeebe_connectors.mail.imap import ImapSession, SortKey
from zeebe_connectors.mail.imap_syntax import Fetched, Refused, search_text
from zeebe_connectors.mail.refusals import is_temporary
from zeebe_connectors.net.tls import trust

BATCH = 100
SESSIONS = 5
"""Jobs on one account at once: servers allow about ten connections, and people read their mail as well."""
_HEADS = "HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)"
_SORT_KEYS: dict[str, SortKey] = {"RECEIVED_DATE": "ARRIVAL", "SENT_DATE": "DATE", "SIZE": "SIZE"}
_FIELD = "data.imapAction"

Result = list[ListedMail] | list[FoundMail] | ReadMail | DeletedMail | MovedMail


async def carry_out(task: ImapTask, context: Context) -> Result:
    """Carries out one action.

    Raises:
        ConnectorError: With one of the codes that the connector documents.
    """
    data = task.data
    async with _opened(task, context) as session:
        if isinstance(data, ListImapData):
            return await _list(session, data.imap_action)
        if isinstance(data, SearchImapData):
            return await _search(session, data.imap_action)
        if isinstance(data, ReadImapData):
            return await _read(session, data.imap_action, context)
        if isinstance(data, DeleteImapData):
            return await _delete(session, data.imap_action, context)
        return await _move(session, data.imap_action, context)


@asynccontextmanager
async def _opened(task: ImapTask, context: Context) -> AsyncIterator[ImapSession]:
    config = task.data.imap_config
    tls = await asyncio.to_thread(trust, config.trusted_certificate, field="data.imapConfig.trustedCertificate")
    account = ("imap", config.imap_host, config.port, task.login.username)
    async with await turns(account, SESSIONS, context):
        session = await ImapSession.open(
            config.imap_host, config.port, config.security, login=task.login, clients=context.clients, tls=tls
        )
        try:
            yield session
        finally:
            await session.logout()


async def _select(session: ImapSession, folder: str, *, writable: bool) -> None:
    await session.select(folder.strip() or "INBOX", writable=writable)


async def _list(session: ImapSession, action: ListImap) -> list[ListedMail]:
    await _select(session, action.list_emails_folder, writable=False)
    uids = await _sorted(session, action)
    count = min(action.max_to_be_read, len(uids))
    if count > MAX_LISTED:
        raise too_many(count)
    heads = await _heads(session, uids[:count])
    return [head.listed() for head in heads]


async def _sorted(session: ImapSession, action: ListImap) -> list[int]:
    """Lists the folder's mails in order; no mail is read for it."""
    descending = action.sort_order == "DESC"
    try:
        found = await session.sort(_SORT_KEYS[action.sort_field], "UNDELETED", descending=descending)
    except Refused:
        found = None  # offered, and not for this folder
    if found is not None:
        return found
    uids = await session.search("UNDELETED")
    keys: list[Fetched] = []
    sent: dict[int, Head] = {}
    headers = "HEADER.FIELDS (DATE)" if action.sort_field == "SENT_DATE" else None
    async for fetched in _fetched(session, uids, headers):
        keys += fetched
        if action.sort_field == "SENT_DATE":
            read = await heads_of((one.body or b"", one.size) for one in fetched)
            sent.update(zip((one.uid for one in fetched), read, strict=True))
    if action.sort_field == "SIZE":
        keys.sort(key=lambda one: one.size, reverse=descending)
    elif action.sort_field == "SENT_DATE":
        keys.sort(key=by_date(lambda one: sent[one.uid].sent or one.received), reverse=descending)  # as servers do
    else:
        keys.sort(key=by_date(lambda one: one.received), reverse=descending)
    return [one.uid for one in keys]


async def _heads(session: ImapSession, uids: Sequence[int]) -> list[Head]:
    heads: list[Head] = []
    async for found in _fetched(session, uids, _HEADS):
        heads += await heads_of((one.body or b"", one.size) for one in found)
    return heads


async def _fetched(session: ImapSession, uids: Sequence[int], headers: str | None) -> AsyncIterator[list[Fetched]]:
    """Yields the mails in batches, with these headers; those without any headers were removed meanwhile.

    A mail that the server refuses to read does not keep the others from being read.

    Raises:
        Refused: The server refuses all of them, or is busy.
    """
    refusal: Refused | None = None
    has_read = False
    for batch in _batches(uids):
        try:
            found = await _readable(session, batch, headers)
        except Refused as error:
            if len(batch) > 1 and is_temporary(error.text):
                raise
            refusal = error
            continue
        has_read = True
        yield [one for one in found if headers is None or one.body is not None]
        await asyncio.sleep(0)  # others have their turn between two batches
    if refusal is not None and not has_read:
        raise refusal


async def _readable(session: ImapSession, uids: Sequence[int], headers: str | None) -> list[Fetched]:
    """Reads those of a batch that the server does not refuse; raises if it refuses all or is busy."""
    try:
        return await session.fetch(uids, headers)
    except Refused:
        if len(uids) < 2:
            raise
        half, refused = len(uids) // 2, 0
        found: list[Fetched] = []
        for part in (uids[:half], uids[half:]):
            try:
                found += await _readable(session, part, headers)
            except Refused as error:
                if len(part) > 1 and is_temporary(error.text):  # of several mails: the server is busy
                    raise
                refused += 1
        if refused == 2:
            raise
    return found


def _batches(uids: Sequence[int]) -> list[Sequence[int]]:
    return [uids[start : start + BATCH] for start in range(0, len(uids), BATCH)]


async def _search(session: ImapSession, action: SearchImap) -> list[FoundMail]:
    criterion = read_criteria(action.criteria, field=f"{_FIELD}.criteria")
    await _select(session, action.search_email_folder, writable=False)
    words = search_words(criterion, search_text)
    try:
        uids = await session.search("UNDELETED", *words)
    except Refused:
        if not any(isinstance(word, bytes) for word in words):
            raise
        uids = await _searched_here(session, criterion)  # Exchange, for one, searches in ASCII only
    if len(uids) > MAX_LISTED:
        raise too_many(len(uids))
    return [head.found() for head in await _heads(session, uids)]


async def _searched_here(session: ImapSession, criterion: Criterion) -> list[int]:
    """Finds the mails that fit without the server's search; reads bodies only if the headers leave it open."""
    found: list[int] = []
    async for fetched in _fetched(session, await session.search("UNDELETED"), _HEADS):
        for one, head in zip(fetched, await heads_of((one.body or b"", one.size) for one in fetched), strict=True):
            verdict = holds(criterion, head.sender, head.subject or "", None)
            if verdict is None:
                raw: bytes | None = b""
                if one.size <= MAX_MAIL_SIZE:
                    with suppress(Refused):  # it does not keep the others from being found
                        raw = await _whole(session, one.uid)
                if raw is None:
                    continue
                verdict = holds(criterion, head.sender, head.subject or "", await texts(raw))
            if verdict:
                found.append(one.uid)
    return found


async def _read(session: ImapSession, action: ReadImap, context: Context) -> ReadMail:
    await _select(session, action.read_email_folder, writable=False)
    found = await _find(session, wanted_id(action.message_id, field=f"{_FIELD}.messageId"))
    if found is None:
        raise not_found("the folder")
    check_size(found.size, action.max_mail_size, field=f"{_FIELD}.maxMailSize")
    raw = await _whole(session, found.uid)
    if raw is None:
        raise not_found("the folder")
    return await read_result(raw, context, size=found.size, received=found.received)


async def _whole(session: ImapSession, uid: int) -> bytes | None:
    """Returns a mail; None if it is gone, or if the server has nothing of it but its number."""
    try:
        return await session.read(uid)
    except PermanentError:
        return None


async def _find(session: ImapSession, message_id: str) -> Fetched | None:
    """Finds the oldest mail with this Message-ID in the open folder; the server's search also finds parts of ids."""
    uids = await session.search("UNDELETED", "HEADER", "Message-ID", search_text(message_id))
    async for fetched in _fetched(session, uids, "HEADER.FIELDS (MESSAGE-ID)"):
        for one, head in zip(fetched, await heads_of((one.body or b"", one.size) for one in fetched), strict=True):
            if is_same(head.message_id, message_id):
                return one
    return None


async def _delete(session: ImapSession, action: DeleteImap, context: Context) -> DeletedMail:
    message_id = wanted_id(action.message_id, field=f"{_FIELD}.messageId")
    effect = Effect(context, "delete", message_id)
    await _select(session, action.delete_email_folder, writable=True)
    found = await _find(session, message_id)
    earlier = await effect.started_before()
    if found is not None and not _is_another(session, found.uid, earlier):
        await effect.begin(_mark(session, found.uid))
        await session.delete(found.uid)
    elif earlier is None:
        raise not_found("the folder")
    return DeletedMail(message_id=action.message_id, deleted=True)


async def _move(session: ImapSession, action: MoveImap, context: Context) -> MovedMail:
    message_id = wanted_id(action.message_id, field=f"{_FIELD}.messageId")
    effect = Effect(context, "move", message_id)
    await _select(session, action.from_folder, writable=True)
    source = session.selected.name if session.selected else ""
    found = await _find(session, message_id)
    if found is not None:
        target = await session.create_folder(action.to_folder.strip())
        earlier = await effect.started_before()
        if target != source and not _is_another(session, found.uid, earlier):
            await _carry(session, found.uid, target, message_id, effect, has_begun=earlier is not None)
    elif not await _is_there(session, action.to_folder, message_id):
        raise not_found("fromFolder, nor in toFolder")
    return MovedMail(message_id=action.message_id, from_folder=action.from_folder, to_folder=action.to_folder)


async def _is_there(session: ImapSession, folder: str, message_id: str) -> bool:
    """Returns whether the mail is in the target: an earlier try may have moved it, and then died or lost its answer."""
    try:
        await _select(session, folder, writable=False)
    except PermanentError:
        return False
    return await _find(session, message_id) is not None


def _mark(session: ImapSession, uid: int) -> str:
    """Returns what distinguishes a mail from another with the same Message-ID."""
    return f"{session.selected.uid_validity if session.selected else 0}/{uid}"


def _is_another(session: ImapSession, uid: int, earlier: str | None) -> bool:
    """Returns whether an earlier try began with another mail, which is then gone: the oldest is always taken."""
    mark = _mark(session, uid)
    return earlier is not None and earlier != mark and earlier.split("/")[0] == mark.split("/")[0]


async def _carry(
    session: ImapSession, uid: int, target: str, message_id: str, effect: Effect, *, has_begun: bool
) -> None:
    """Moves one mail; if that takes a copy and a deletion, an earlier try may have made the copy only."""
    source = session.selected.name if session.selected else ""
    if not session.offers("MOVE") and has_begun:
        copied = await _is_there(session, target, message_id)
        await _select(session, source, writable=True)
        if copied:
            await session.delete(uid)
            return
    await effect.begin(_mark(session, uid))
    await session.move(uid, target)
