"""Collect a statement's rows up to what a process variable may hold, or write them to a document as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from zeebe_connectors import ConnectorError, Context, Document, PermanentError
from zeebe_connectors.connectors.sql.running import Rows
from zeebe_connectors.connectors.sql.values import Convert
from zeebe_connectors.sdk.text import sendable, sendable_value

PIECE = 1024 * 1024
"""Characters of a document that are made at once; meanwhile no other job runs."""
TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


@dataclass(slots=True)
class Limits:
    """How large a result may be, and what happens to a larger one.

    Args:
        rows: Maximum number of rows.
        size: Maximum bytes of JSON.
        beyond: `fail`, `cut`, or the document that takes all rows: `csv` or `json`.
        name: File name of a document.
        reads_on: Whether a statement whose other rows nobody wants still runs to its end: stopping it would undo the
            transaction that it is part of.
        used_rows: Rows of the job's other results, which count too.
        used_size: Their bytes.
    """

    rows: int
    size: int
    beyond: str
    name: str
    reads_on: bool = False
    used_rows: int = 0
    used_size: int = 0


@dataclass(slots=True)
class Collected:
    """Rows as contexts, or the document that holds them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    more: bool = False
    document: Document | None = None
    size: int = 0
    """Bytes of the rows as JSON."""


@dataclass(slots=True)
class Collector:
    """Collects the rows of one statement.

    Args:
        context: For documents.
        convert: One value to JSON.
        failed: What an exception of the driver means.
        bytes_as_documents: Whether binary columns become documents; else base64.
    """

    context: Context
    convert: Convert
    failed: Callable[[BaseException], ConnectorError]
    bytes_as_documents: bool = False

    async def collect(self, rows: Rows, limits: Limits) -> Collected:
        """Returns rows up to the limits, which also say what happens to more.

        Raises:
            PermanentError: `SQL_TOO_MANY_ROWS`.
        """
        try:
            return await self._collected(rows, limits)
        finally:
            await rows.batches.aclose()

    async def _collected(self, rows: Rows, limits: Limits) -> Collected:
        found = Collected()
        size = limits.used_size
        room = limits.rows - limits.used_rows
        async for batch in rows.batches:
            for position, row in enumerate(batch):
                item = self._context(rows, row)
                try:
                    size += len(_sizing(item).encode())
                except UnicodeEncodeError:  # from JSON's escapes, which PostgreSQL's type `json` keeps
                    item = sendable_value(item)
                    size += len(_sizing(item).encode())
                if found.count >= room or size > limits.size:
                    if limits.beyond in TYPES:
                        rest = self._rest(rows, found.rows, batch[position:])
                        document, count = await self._write(rest, rows, limits.beyond, limits.name)
                        return Collected(count=count, document=document)
                    if limits.beyond == "fail":
                        raise too_many(f"{limits.rows} rows or {limits.size} bytes")
                    found.more = True
                    if limits.reads_on:
                        async for _ in rows.batches:
                            pass
                    return await self._with_documents(found)
                found.rows.append(item)
                found.count += 1
                found.size = size - limits.used_size
        return await self._with_documents(found)

    async def document(self, rows: Rows, kind: str, name: str) -> Collected:
        """Writes all rows to a document, never holding all in memory."""
        try:
            document, count = await self._write(self._rest(rows, [], []), rows, kind, name)
        finally:
            await rows.batches.aclose()
        return Collected(count=count, document=document)

    def _context(self, rows: Rows, row: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(rows.columns, self._values(rows, row), strict=False))

    def _values(self, rows: Rows, row: Sequence[Any]) -> list[Any]:
        values = [
            value if self.bytes_as_documents and isinstance(value, bytes) else self.convert(value) for value in row
        ]
        for position, change in rows.special.items():
            values[position] = change(row[position])
        return values

    def _written(self, value: Any) -> Any:
        """Returns a value for a document, in which bytes are always base64."""
        return self.convert(value) if isinstance(value, bytes) else value

    async def _with_documents(self, found: Collected) -> Collected:
        if self.bytes_as_documents:
            for row in found.rows:
                for name, value in row.items():
                    if isinstance(value, bytes):
                        document = await self.context.documents.create(value, name=f"{name}.bin")
                        row[name] = dict(document.reference)
        return found

    async def _rest(
        self, rows: Rows, before: Sequence[dict[str, Any]], batch: Sequence[Sequence[Any]]
    ) -> AsyncIterator[list[list[Any]]]:
        """Yields all rows as lists of values: those already collected, the rest of a batch, further batches."""
        if before:
            yield [list(row.values()) for row in before]
        if batch:
            yield [self._values(rows, row) for row in batch]
        async for following in rows.batches:
            yield [self._values(rows, row) for row in following]

    async def _write(
        self, batches: AsyncIterator[list[list[Any]]], rows: Rows, kind: str, name: str
    ) -> tuple[Document, int]:
        count, as_documents = 0, self.bytes_as_documents

        async def counted() -> AsyncIterator[list[list[Any]]]:
            nonlocal count
            try:
                async for batch in batches:
                    count += len(batch)
                    yield [[self._written(value) for value in row] for row in batch] if as_documents else batch
            except Exception as error:  # noqa: BLE001 - of any driver
                raise self.failed(error) from None

        pieces = _csv(counted(), rows) if kind == "csv" else _json(counted(), rows)
        document = await self.context.documents.store(pieces, name=name or f"result.{kind}", content_type=TYPES[kind])
        return document, count


async def _csv(batches: AsyncIterator[list[list[Any]]], rows: Rows) -> AsyncIterator[bytes]:
    """Writes CSV (RFC 4180): a heading, then a line for each row; values other than text as JSON."""
    text = io.StringIO()
    writer = csv.writer(text)
    headed = False
    async for batch in batches:
        if not headed:
            writer.writerow(rows.columns)
            headed = True
        for position, row in enumerate(batch, 1):
            writer.writerow([_cell(value) for value in row])
            if text.tell() >= PIECE or position == len(batch):
                yield _encoded(text.getvalue())
                text.seek(0)
                text.truncate()
    if not headed and rows.columns:
        writer.writerow(rows.columns)
        yield _encoded(text.getvalue())


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # from JSON's escapes
        return sendable(text).encode()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value


async def _json(batches: AsyncIterator[list[list[Any]]], rows: Rows) -> AsyncIterator[bytes]:
    """Writes a JSON list of contexts, one on each line."""
    first = True
    async for batch in batches:
        lines: list[str] = []
        size = 0
        for position, row in enumerate(batch, 1):
            line = json.dumps(dict(zip(rows.columns, row, strict=False)), ensure_ascii=False)
            lines.append(line)
            size += len(line)
            if size >= PIECE or position == len(batch):
                yield _encoded(("[\n" if first else ",\n") + ",\n".join(lines))
                first, lines, size = False, [], 0
    yield b"[]\n" if first else b"\n]\n"


def _reference_size(value: object) -> str:
    """Replaces bytes that become a document with a stand-in of their reference's size."""
    return "x" * 400 if isinstance(value, bytes) else ""


_sizing = json.JSONEncoder(ensure_ascii=False, default=_reference_size).encode
"""Encodes a row as JSON, only to measure it."""


def too_many(allowed: str) -> PermanentError:
    """Returns the error for a result that is larger than allowed.

    Args:
        allowed: How much is.
    """
    return PermanentError(
        "SQL_TOO_MANY_ROWS",
        f"the result has more than {allowed}. Ask for less (LIMIT), raise maxRows, or choose a document in result or "
        "beyond",
    )
