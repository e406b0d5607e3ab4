"""Frames as RFC 9113 lays them out, and the budgets for them."""

from __future__ import annotations

import pytest

from zeebe_connectors.rpc import frames
from zeebe_connectors.rpc.budget import Budget
from zeebe_connectors.rpc.frames import ConnectionFaultError, ErrorCode, Setting


@pytest.mark.parametrize(
    ("frame", "bytes_of_it"),
    [
        (frames.frame(6, 1, 0, b"12345678"), "000008 06 01 00000000 3132333435363738"),
        (frames.headers(1, b"ab", ends=True), "000002 01 05 00000001 6162"),
        (frames.headers(1, b"abc", ends=True, limit=2), "000002 01 01 00000001 6162 000001 09 04 00000001 63"),
        (frames.headers(1, b"abc", ends=False, limit=1)[-20:], "000001 09 00 00000001 62 000001 09 04 00000001 63"),
        (frames.data_head(70_000, 2**31 - 1, ends=False), "011170 00 00 7fffffff"),
        (frames.window_update(3, 2**31 - 1), "000004 08 00 00000003 7fffffff"),
        (frames.reset(3, ErrorCode.CANCEL), "000004 03 00 00000003 00000008"),
        (frames.goaway(5, ErrorCode.PROTOCOL_ERROR, "ä"), "00000a 07 00 00000000 00000005 00000001 c3a4"),
        (frames.settings({Setting.MAX_FRAME_SIZE: 16_384}), "000006 04 00 00000000 0005 00004000"),
        (frames.SETTINGS_ACK, "000000 04 01 00000000"),
    ],
)  # fmt: skip
def test_frames(frame, bytes_of_it):
    """Byte by byte."""
    assert frame == bytes.fromhex(bytes_of_it.replace(" ", ""))


def test_settings_are_read():
    """Unknown ones too, which nobody looks at; several of the same come in their order."""
    payload = frames.settings({4: 5, 99: 2**32 - 1})[9:] + frames.settings({4: 6})[9:]
    assert list(frames.read_settings(payload)) == [(4, 5), (99, 2**32 - 1), (4, 6)]


@pytest.mark.parametrize(
    ("kind", "flags", "payload", "content"),
    [
        (0, 8, b"\x02abXX", b"ab"), (0, 8, b"\x00", b""), (0, 8, b"\x02XX", b""), (0, 0, b"\x02ab", b"\x02ab"),
        (1, 8 | 32, b"\x01PPPPPhX", b"h"), (1, 32, b"PPPPP", b""), (0, 8 | 32, b"\x00PPPPP", b"PPPPP"),
        (0, 8, b"", ErrorCode.FRAME_SIZE_ERROR), (1, 32, b"PPPP", ErrorCode.FRAME_SIZE_ERROR),
        (0, 8, b"\x03XX", ErrorCode.PROTOCOL_ERROR), (1, 8 | 32, b"\x01PPPPP", ErrorCode.PROTOCOL_ERROR),
    ],
)  # fmt: skip
def test_padding(kind, flags, payload, content):
    """Goes, and with it the priority of headers; what is too long is a fault."""
    if isinstance(content, bytes):
        assert frames.unpadded(kind, flags, payload) == content
    else:
        with pytest.raises(ConnectionFaultError) as caught:
            frames.unpadded(kind, flags, payload)
        assert caught.value.code is content


def test_a_budget_comes_back_with_time():
    """Slowly, or at once."""
    now = [0.0]
    budget = Budget(10, 2.0, lambda: now[0])
    assert budget.use(10)
    assert not budget.use()
    now[0] = 2.0
    assert budget.use(3)
    assert not budget.use()
    now[0] = 1_000.0
    assert budget.use(10)
    assert not budget.use()
    budget.refill()
    assert budget.use(10)
