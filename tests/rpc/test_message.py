"""What gRPC puts into HTTP/2: messages, timeouts, and the texts of statuses."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeebe_connectors.rpc.message import (
    MAX_STATUS_BYTES,
    Messages,
    escaped,
    prefixed,
    timeout_of,
    timeout_text,
    unescaped,
)
from zeebe_connectors.rpc.status import RpcError, Status


@given(st.lists(st.binary(max_size=60), max_size=8), st.integers(1, 30))
def test_messages_in_any_pieces(contents, step):
    """They come out as they went in."""
    stream = b"".join(prefixed(content) for content in contents)
    messages, found = Messages(100), []
    for at in range(0, len(stream), step):
        messages.feed(stream[at : at + step])
        while (message := messages.next()) is not None:
            found.append(message)
    assert found == contents
    assert len(messages) == 0


@pytest.mark.parametrize(
    ("encoding", "flag", "content", "status"),
    [
        ("identity", 0, bytes(101), Status.RESOURCE_EXHAUSTED), ("identity", 1, b"", Status.INTERNAL),
        ("zpaq", 1, b"", Status.INTERNAL), ("gzip", 1, b"none", Status.INTERNAL),
        ("gzip", 1, gzip.compress(bytes(101), mtime=0), Status.RESOURCE_EXHAUSTED),
        ("gzip", 1, gzip.compress(bytes(50), mtime=0)[:-5], Status.INTERNAL),
        ("deflate", 1, zlib.compress(bytes(1_000)), Status.RESOURCE_EXHAUSTED),
    ],
)  # fmt: skip
def test_messages_that_are_refused(encoding, flag, content, status):
    """Each with its status."""
    messages = Messages(100, encoding)
    messages.feed(bytes([flag]) + prefixed(content)[1:])
    with pytest.raises(RpcError) as caught:
        messages.next()
    assert caught.value.status is status


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_messages(encoding, compress):
    """Up to the limit; one that says it is not compressed is left as it is."""
    messages = Messages(100, encoding)
    for content in (bytes(100), b"", b"abc"):
        messages.feed(b"\1" + prefixed(compress(content))[1:] + prefixed(content))
        assert (messages.next(), messages.next()) == (content, content)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1H", 3600.0), ("2M", 120.0), ("3S", 3.0), ("4m", 0.004), ("5u", 5e-6), ("6n", 6e-9), ("0S", 0.0),
     ("99999999H", 99999999 * 3600.0), ("123456789S", None), ("S", None), ("1", None), ("-1S", None), ("1s", None),
     (" 1S", None), ("1S ", None), ("1.5S", None), ("", None), ("²S", None)],
)  # fmt: skip
def test_timeouts(text, seconds):
    """As the protocol writes them, and nothing else."""
    found = timeout_of(text)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(1, "1m"), (99_999_999, "99999999m"), (100_000_999, "100000S"), (10**11, "99999999S"), (10**12, "99999999S")],
)
def test_timeouts_as_they_are_written(milliseconds, text):
    """Eight digits and a unit; beyond a day, whole seconds are exact enough."""
    assert timeout_text(milliseconds) == text
    assert timeout_of(text) is not None


@given(st.text(max_size=500))
def test_texts_of_statuses(text):
    """All that UTF-8 can write comes back, and what is sent is plain ASCII without white space at its ends."""
    sent = escaped(text)
    assert sent.isascii()
    assert sent == sent.strip()
    assert sent.isprintable()
    assert unescaped(sent) == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("text", ["x" * 20_000, "ü" * 20_000, "x" + "€" * 20_000, "%" * 20_000, "🦓" * 9_000])
def test_long_texts_are_cut(text):
    """Not within a character."""
    sent = escaped(text)
    assert MAX_STATUS_BYTES - 15 < len(sent) <= MAX_STATUS_BYTES + 3
    found = unescaped(sent)
    assert found.endswith("...")
    assert text.startswith(found[:-3])


@pytest.mark.parametrize("text", ["50%", "%zz", "%4", "a%"])
def test_a_wrong_escape_stays(text):
    """It is the sender's mistake, and still a text."""
    assert unescaped(text) == text
