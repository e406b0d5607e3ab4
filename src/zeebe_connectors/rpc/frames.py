"""Build and read the frames of HTTP/2 (RFC 9113, sections 4 and 6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_BYTES = 9
MIN_FRAME_BYTES = 16_384
"""The size of a frame's payload that everybody accepts; we never announce another."""
MAX_FRAME_BYTES = 2**24 - 1
MAX_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535
MAX_STREAM = 2**31 - 1

# Types of frames and their flags; plain numbers, as each frame is compared with them.
DATA = 0
HEADERS = 1
PRIORITY = 2
RST_STREAM = 3
SETTINGS = 4
PUSH_PROMISE = 5
PING = 6
GOAWAY = 7
WINDOW_UPDATE = 8
CONTINUATION = 9

END_STREAM = 1
ACK = 1
END_HEADERS = 4
PADDED = 8
WITH_PRIORITY = 32


class Setting(IntEnum):
    """The parameters of SETTINGS."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (RFC 9113, section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13

    @classmethod
    def name_of(cls, code: int) -> str:
        """Returns a code's name, or its number if it has none."""
        return cls(code).name if code in cls._value2member_map_ else f"code {code}"


class ConnectionFaultError(Exception):
    """The other side broke the protocol, or asks too much: the connection must end.

    Args:
        code: What it is told.
        reason: In words.
    """

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class StreamFaultError(Exception):
    """The other side broke the protocol on one stream, which must end.

    Args:
        stream: Its id.
        code: What the other side is told.
        reason: In words.
    """

    def __init__(self, stream: int, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.stream = stream
        self.code = code


_MAX_SETTINGS = 100
"""Parameters in one frame; there are ten in use anywhere, and each may concern all streams."""
_HEAD = struct.Struct(">IBI")
_HEAD_AND_NUMBER = struct.Struct(">IBII")
_SETTING = struct.Struct(">HI")


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Returns one frame."""
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def headers(stream: int, block: bytes, *, ends: bool, limit: int = MIN_FRAME_BYTES) -> bytes:
    """Returns a header block as a HEADERS frame, with CONTINUATION frames for what exceeds the limit of a frame."""
    flags = END_STREAM if ends else 0
    if len(block) <= limit:
        return _HEAD.pack(len(block) << 8 | HEADERS, flags | END_HEADERS, stream) + block
    pieces = [block[at : at + limit] for at in range(0, len(block), limit)]
    last = len(pieces) - 1
    return b"".join(
        frame(
            HEADERS if number == 0 else CONTINUATION,
            (flags if number == 0 else 0) | (END_HEADERS if number == last else 0),
            stream,
            piece,
        )
        for number, piece in enumerate(pieces)
    )


def data_head(length: int, stream: int, *, ends: bool) -> bytes:
    """Returns the head of a DATA frame, after which its payload follows."""
    return _HEAD.pack(length << 8 | DATA, END_STREAM if ends else 0, stream)


def window_update(stream: int, amount: int) -> bytes:
    """Returns the frame that lets the other side send more; stream 0 is the connection."""
    return _HEAD_AND_NUMBER.pack(4 << 8 | WINDOW_UPDATE, 0, stream, amount)


def reset(stream: int, code: int) -> bytes:
    """Returns the frame that ends a stream at once."""
    return _HEAD_AND_NUMBER.pack(4 << 8 | RST_STREAM, 0, stream, code)


def goaway(last: int, code: int, reason: str = "") -> bytes:
    """Returns the frame after which no new streams are accepted; `last` is the last stream that was."""
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + reason.encode()[:1000])


def settings(values: Mapping[int, int]) -> bytes:
    """Returns a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


SETTINGS_ACK = frame(SETTINGS, ACK, 0, b"")


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Yields the parameters of a SETTINGS frame, checked.

    Raises:
        ConnectionFaultError: The frame's length or a value is impossible.
    """
    if len(payload) % 6:
        raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of an impossible length")
    if len(payload) > 6 * _MAX_SETTINGS:
        raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "too many settings at the same time")
    for key, value in _SETTING.iter_unpack(payload):
        if key == Setting.INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE beyond the maximum")
        if key == Setting.MAX_FRAME_SIZE and not MIN_FRAME_BYTES <= value <= MAX_FRAME_BYTES:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE out of range")
        if key == Setting.ENABLE_PUSH and value > 1:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
        yield key, value


def unpadded(kind: int, flags: int, payload: bytes) -> bytes:
    """Returns the payload of a DATA or HEADERS frame without padding and without a priority.

    Raises:
        ConnectionFaultError: The payload is too short for its flags, or the padding longer than the payload.
    """
    begin, end = 0, len(payload)
    if flags & PADDED:
        begin = 1
    if kind == HEADERS and flags & WITH_PRIORITY:
        begin += 5
    if begin > end:
        raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "a frame too short for its flags")
    if flags & PADDED:
        end -= payload[0]
    if begin > end:
        raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a frame with more padding than payload")
    return payload[begin:end]


def number_of(payload: bytes, name: str) -> int:
    """Returns the 32-bit number that a frame consists of.

    Raises:
        ConnectionFaultError: The frame has another length.
    """
    if len(payload) != 4:
        raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, f"{name} of an impossible length")
    return int.from_bytes(payload, "big")
