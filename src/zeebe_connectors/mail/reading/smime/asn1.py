"""Read BER and DER lazily: only the values that are accessed cost time.

Written here because mails arrive as BER streams with indefinite lengths, which strict DER readers refuse, and because
reading untrusted bytes needs bounds on depth and number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_VALUES = 1_000_000
"""Maximum values to pass over in one reading: a stream of 50 MB in pieces of 1 KB has 50,000."""
MAX_DEPTH = 64

INTEGER, BIT_STRING, OCTETS, NULL, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31
_CONSTRUCTED = 0x20
_END = b"\0\0"


class Damaged(Exception):  # noqa: N818 - a verdict on bytes, caught by the callers
    """The bytes are not valid."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its tag octet, its contents and all its bytes."""

    tag: int
    body: memoryview
    whole: memoryview

    def parts(self) -> Parts:
        """Iterates over the values inside."""
        if not self.tag & _CONSTRUCTED:
            raise Damaged("a simple value where one with parts belongs")
        return Parts(self.body)

    def octets(self) -> bytes:
        """Returns the contents of a string; the pieces of a constructed one are joined."""
        if not self.tag & _CONSTRUCTED:
            return bytes(self.body)
        return b"".join(_pieces(self.body))

    def bits(self) -> bytes:
        """Returns the contents of a bit string of whole octets."""
        body = self.octets()
        if self.tag != BIT_STRING or body[:1] != b"\0":
            raise Damaged("a bit string of odd length")
        return body[1:]

    def number(self) -> int:
        """Returns the value of an integer."""
        if self.tag != INTEGER or not 1 <= len(self.body) <= 1024:
            raise Damaged("no integer")
        return int.from_bytes(self.body, "big", signed=True)

    def oid(self) -> str:
        """Returns an object identifier in dotted form."""
        if self.tag != OID or not 1 <= len(self.body) <= 64 or self.body[-1] & 0x80:
            raise Damaged("no object identifier")
        numbers, number = [], 0
        for octet in self.body:
            number = number << 7 | octet & 0x7F
            if not octet & 0x80:
                numbers.append(number)
                number = 0
        first = min(numbers[0] // 40, 2)
        return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))

    def moment(self) -> datetime:
        """Returns the time of a UTCTime or GeneralizedTime."""
        text = bytes(self.body).decode("ascii", "replace")
        if self.tag == 0x17:  # years from 1950 on
            text = ("19" if text[:2] >= "50" else "20") + text
        elif self.tag != 0x18:
            raise Damaged("no time")
        try:
            return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise Damaged("no time") from None


class Parts:
    """Walks through the values inside a constructed value."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0
        self._next: Value | None = None

    def __iter__(self) -> Iterator[Value]:
        while (value := self.peek()) is not None:
            self._next = None
            yield value

    def peek(self) -> Value | None:
        """Returns the next value without consuming it; None at the end."""
        if self._next is None and self._at < len(self._data):
            self._next, self._at = _value(self._data, self._at)
        return self._next

    def take(self, *tags: int) -> Value:
        """Consumes the next value, which must have one of these tags (any when none is given)."""
        value = self.peek()
        if value is None or (tags and value.tag not in tags):
            raise Damaged("a value is missing or of another kind")
        self._next = None
        return value

    def optional(self, *tags: int) -> Value | None:
        """Consumes the next value if it has one of these tags; otherwise returns None."""
        value = self.peek()
        if value is None or value.tag not in tags:
            return None
        self._next = None
        return value


def read(data: bytes | memoryview) -> Value:
    """Reads the value at the start of the bytes; whatever follows is ignored."""
    return _value(memoryview(data), 0)[0]


def der_length(length: int) -> bytes:
    """Encodes a length in DER."""
    if length < 0x80:
        return bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def _value(data: memoryview, at: int) -> tuple[Value, int]:
    """Returns the value at an offset, and where it ends."""
    tag, start, length = _head(data, at)
    if length is not None:
        end = start + length
        return Value(tag, data[start:end], data[at:end]), end
    end = _end_of_contents(data, start)
    return Value(tag, data[start:end], data[at : end + 2]), end + 2


def _head(data: memoryview, at: int) -> tuple[int, int, int | None]:
    """Returns the tag, where the contents begin, and their length; None for an indefinite length."""
    if at + 2 > len(data):
        raise Damaged("it is cut off")
    tag, first = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise Damaged("a tag that does not belong here")
    start = at + 2
    if first < 0x80:
        length = first
    elif first == 0x80:
        if not tag & _CONSTRUCTED:
            raise Damaged("a simple value without length")
        return tag, start, None
    else:
        count = first & 0x7F
        if count > 5 or start + count > len(data):
            raise Damaged("an impossible length")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise Damaged("it is cut off")
    return tag, start, length


def _end_of_contents(data: memoryview, at: int) -> int:
    """Returns where the end-of-contents mark of a value of indefinite length stands."""
    depth = 1
    for _ in range(MAX_VALUES):
        if bytes(data[at : at + 2]) == _END:
            depth -= 1
            if depth == 0:
                return at
            at += 2
            continue
        _, start, length = _head(data, at)
        if length is None:
            depth += 1
            if depth > MAX_DEPTH:
                raise Damaged("it is nested too deep")
            at = start
        else:
            at = start + length
    raise Damaged("it has too many pieces")


def _pieces(data: memoryview) -> Iterator[memoryview]:
    """Yields the pieces of a constructed string, at any depth."""
    ends = [len(data)]
    at = 0
    for _ in range(MAX_VALUES):
        while at >= ends[-1]:
            ends.pop()
            if not ends:
                return
        if bytes(data[at : at + 2]) == _END:
            at += 2
            continue
        tag, start, length = _head(data, at)
        if tag & _CONSTRUCTED:
            if len(ends) > MAX_DEPTH:
                raise Damaged("it is nested too deep")
            if length is not None:
                ends.append(start + length)
            at = start
        else:
            yield data[start : start + (length or 0)]
            at = start + (length or 0)
    raise Damaged("it has too many pieces")
