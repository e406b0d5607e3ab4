"""Compress and decompress headers (HPACK, RFC 7541), each repeated block only once.

The library `hpack` does the work, in Python. gRPC sends the same headers with nearly every call: from their second time
on, both sides refer to them by their places in the table, and such a block changes no table. A block that changed none
means the same until another one changes the table, and is remembered until then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hpack import Decoder as _Decoder
from hpack import Encoder as _Encoder
from hpack import HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from zeebe_connectors.rpc.frames import ConnectionFaultError, ErrorCode

Headers = tuple[tuple[str, str], ...]

MAX_BYTES = 64 * 1024
"""Maximum size of a list of headers, as HTTP/2 counts it, and of the block that holds it."""
TABLE_BYTES = 4096
_REMEMBERED = 64
_MAX_REMEMBERED_BYTES = 4096
"""Maximum size of a list of headers that is remembered: a block of a few bytes may mean 64 KiB."""
# RFC 9113, section 8.2.1. White space around values is let through, as gRPC's other libraries send it in messages.
_NAME = re.compile(rb":?[!-9;-@\[-~]+")
_NOT_IN_VALUES = re.compile(rb"[\0\r\n]")


def _state(table: HeaderTable) -> tuple[object, int, int]:
    """Returns what differs once a table has changed: an entry is added before the first, and removed after the last."""
    entries = table.dynamic_entries
    return (entries[0] if entries else None, len(entries), table.maxsize)


def _is_same(before: tuple[object, int, int], after: tuple[object, int, int]) -> bool:
    return before[0] is after[0] and before[1:] == after[1:]


class Decoder:
    """Reads the other side's header blocks; they must come in their order."""

    def __init__(self) -> None:
        self._decoder = _Decoder(max_header_list_size=MAX_BYTES)
        self._known: dict[bytes, Headers] = {}

    def decode(self, block: bytes) -> Headers | None:
        """Returns the headers of a block; None if one has a name or a value that HTTP/2 does not allow.

        Raises:
            ConnectionFaultError: The block is not valid or too long; the tables of both sides differ from then on.
        """
        if (known := self._known.get(block)) is not None:
            return known
        before = _state(self._decoder.header_table)
        try:
            decoded = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError:
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "headers beyond the maximum") from None
        except HPACKError:
            raise ConnectionFaultError(ErrorCode.COMPRESSION_ERROR, "headers that cannot be decompressed") from None
        found: Headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in decoded)
        is_same = _is_same(before, _state(self._decoder.header_table))
        if not is_same or len(self._known) >= _REMEMBERED:
            self._known.clear()
        if any(_NAME.fullmatch(name) is None or _NOT_IN_VALUES.search(value) for name, value in decoded):
            return None
        if is_same and sum(len(name) + len(value) + 32 for name, value in found) <= _MAX_REMEMBERED_BYTES:
            self._known[block] = found
        return found


class Encoder:
    """Writes header blocks; they must be sent in the order in which they were encoded."""

    def __init__(self) -> None:
        self._encoder = _Encoder()
        self._known: dict[Headers, bytes] = {}

    def limit_table(self, size: int) -> None:
        """Uses no more of the other side's table than it allows."""
        size = min(size, TABLE_BYTES)
        if size != self._encoder.header_table_size:
            self._encoder.header_table_size = size
            self._known.clear()
            # Of any number of changes only the smallest and the last count (RFC 7541, section 4.2).
            changes = self._encoder.table_size_changes
            changes[:] = sorted({min(changes), size})

    def encode(self, headers: Headers) -> bytes:
        """Returns the block of some headers."""
        if (known := self._known.get(headers)) is not None:
            return known
        table = self._encoder.header_table
        before, is_resized = _state(table), table.resized
        block: bytes = self._encoder.encode(headers, huffman=False)
        if is_resized or not _is_same(before, _state(table)) or len(self._known) >= _REMEMBERED:
            self._known.clear()
        else:
            self._known[headers] = block
        return block


EMPTY_TABLE = b"\x20"
"""The beginning of a first block by which its sender never uses a table (RFC 7541, section 6.3)."""


def literal(headers: Sequence[tuple[str, str]]) -> bytes:
    """Returns headers as they are, for any place of a block; no table learns them."""
    return b"".join(
        b"\0" + _length(len(name)) + name + _length(len(value)) + value
        for name, value in ((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
    )


def _length(number: int) -> bytes:
    """Returns an integer with a prefix of seven bits (RFC 7541, section 5.1)."""
    if number < 127:
        return bytes((number,))
    number -= 127
    found = bytearray((127,))
    while number >= 128:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
