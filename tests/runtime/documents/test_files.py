"""Documents that come and go piece by piece: whole or not at all, checked, and never in memory as a whole."""

from __future__ import annotations

import asyncio
import os
import time
import tracemalloc

import pytest

from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.documents import files as files_of_documents
from zeebe_connectors.sdk.document import Document
from zeebe_connectors.sdk.errors import ConnectorError, TransientError


async def pieces(*data: bytes, fail: Exception | None = None):
    for one in data:
        yield one
    if fail:
        raise fail


async def read(local, document) -> bytes:
    async with local.open(document, seconds=5) as opened:
        return b"".join([piece async for piece in opened.chunks])


@pytest.fixture
async def local(tmp_path):
    documents = LocalDocuments(tmp_path / "documents", max_streamed=10_000_000)
    yield documents
    await documents.aclose()


def files(local):
    return [path for path in local.directory.rglob("*") if path.is_file() and path.name != ".key"]


async def test_what_is_stored_in_pieces_is_the_same_document(local):
    whole = await local.create(b"abcdef", name="a.txt")
    again = (await local.store(pieces(b"abc", b"", b"def"), name="a.txt")).reference
    assert {**again, "documentId": ""} == {**whole.reference, "documentId": ""}
    async with local.open(whole, seconds=5) as opened:
        assert (opened.name, opened.content_type, opened.size) == ("a.txt", "text/plain", 6)
        assert b"".join([piece async for piece in opened.chunks]) == b"abcdef"
    assert len(files(local)) == 2, "the content once, and its name and type"


async def test_pieces_that_fail_leave_nothing_behind(local):
    with pytest.raises(TransientError) as caught:
        await local.store(pieces(b"a" * 2_000_000, fail=TransientError("LINE_CUT", "The line is cut")))
    assert caught.value.code == "LINE_CUT"
    assert files(local) == []


async def test_too_large_is_refused_before_it_is_stored(local):
    with pytest.raises(ConnectorError) as caught:
        await local.store(pieces(*[b"a" * 1_000_000] * 11))
    assert caught.value.code == "DOCUMENT_TOO_LARGE"
    assert files(local) == []


async def test_a_large_file_is_flushed_while_it_grows(local, monkeypatch):
    flushed = []
    monkeypatch.setattr(files_of_documents.os, "fsync", flushed.append)
    piece = bytes(1_000_000)
    document = await local.store(pieces(*[piece] * 9))
    assert len(flushed) >= 2
    assert await read(local, document) == piece * 9


@pytest.mark.parametrize("slow", ["write", "fsync"])
async def test_a_cancelled_file_is_closed_only_after_its_threads(local, monkeypatch, slow):
    """Its number might be another file's by then."""
    begun, ended = asyncio.Event(), []
    loop = asyncio.get_running_loop()
    known = getattr(os, slow)

    def slowly(handle, *more):
        loop.call_soon_threadsafe(begun.set)
        time.sleep(0.1)
        done = known(handle, *more)
        ended.append(handle)
        return done

    monkeypatch.setattr(files_of_documents.os, slow, slowly)
    closed = []
    close = os.close
    monkeypatch.setattr(files_of_documents.os, "close", lambda handle: closed.append(len(ended)) or close(handle))
    storing = asyncio.create_task(local.store(pieces(b"a")))
    await begun.wait()
    storing.cancel()
    await asyncio.sleep(0)
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing
    assert closed == [1]
    assert files(local) == []


async def test_a_damaged_document_is_noticed_at_its_end(local):
    document = await local.store(pieces(b"a" * 3_000_000))
    key = document.reference["contentHash"]
    path = local.directory / key[:2] / key
    path.write_bytes(b"a" * 2_999_999 + b"b")
    with pytest.raises(ConnectorError) as caught:
        await read(local, document)
    assert caught.value.code == "DOCUMENT_NOT_FOUND"


async def test_what_is_not_there(local):
    with pytest.raises(ConnectorError) as caught:
        await read(
            local,
            Document({"camunda.document.type": "camunda", "documentId": "a" * 64, "storeId": "zeebe-connectors"}),
        )
    assert caught.value.code == "DOCUMENT_NOT_FOUND"


async def test_inline_documents_open_too(local):
    document = Document({"camunda.document.type": "inline", "content": "héllo", "name": "a.txt"})
    assert (await read(local, document)).decode() == "héllo"


async def test_memory_stays_small(local):
    async def many():
        for _ in range(90):
            yield bytes(100_000)
            await asyncio.sleep(0)

    tracemalloc.start()
    document = await local.store(many())
    async with local.open(document, seconds=5) as opened:
        total = 0
        async for piece in opened.chunks:
            total += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 9_000_000
    assert peak < 5_000_000
