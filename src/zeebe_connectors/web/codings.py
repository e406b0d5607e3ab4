"""Decompress bodies: gzip, deflate, br and zstd, also under their older names, and several in a row."""

from __future__ import annotations

import zlib

_ALIASES = {"x-gzip": "gzip", "x-deflate": "deflate", "none": "identity"}
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LONG_BROTLI = 1024 * 1024
"""Bytes of a body of which no beginning is sought that is whole."""
_BROTLI_STEP = 4096
_KNOWN = frozenset({"gzip", "deflate", "br", "zstd"})


class UndecodableError(ValueError):
    """A body is not coded as its headers declare."""


class TooLargeError(ValueError):
    """A body has more bytes than allowed once it is decompressed."""


def codings_of(header: str) -> list[str] | None:
    """Returns the codings of a header `Content-Encoding`, the last applied first; None when one is unknown."""
    names = [name.partition(";")[0].strip(' "').lower() for name in header.split(",")]
    known = [name for name in (_ALIASES.get(each, each) for each in names) if name and name != "identity"]
    return known[::-1] if all(name in _KNOWN for name in known) else None


def unpacked(body: bytes, codings: list[str], limit: int) -> bytes:
    """Decompresses a body.

    Args:
        body: As it came.
        codings: See `codings_of`.
        limit: Maximum bytes after each coding.

    Raises:
        UndecodableError: It is not coded as declared.
        TooLargeError: It would have more bytes than allowed.
    """
    for coding in codings:
        body = _unpacked(body, coding, limit)
    return body


def _unpacked(body: bytes, coding: str, limit: int) -> bytes:
    if not body:
        return body
    try:
        if coding == "br":
            return _brotli(body, limit)
        if coding == "zstd":
            return _zstd(body, limit)
        # Recognised by their first bytes, since senders mix up the names; deflate is also sent without a header.
        if body.startswith(_GZIP):
            return _zlib(body, 31, limit)
        if body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0:
            return _zlib(body, 15, limit)
        return _zlib(body, 31 if coding == "gzip" else -15, limit)
    except (TooLargeError, UndecodableError):
        raise
    except Exception as error:  # noqa: BLE001 - each library has its own errors, which all mean the same
        why = str(error).removeprefix("Error -3 while decompressing data: ")
        if why == "incorrect header check":
            why = "it does not begin as it should, and may have been sent as it is"
        raise UndecodableError(why) from None


def _zlib(body: bytes, wbits: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    while body:
        decoder = zlib.decompressobj(wbits)
        piece = decoder.decompress(body, _left(pieces, limit))
        pieces.append(piece)
        if not decoder.eof:
            _left(pieces, limit)
            raise UndecodableError("it is cut")
        # Members of gzip may follow one another; what else follows is padding.
        body = decoder.unused_data if wbits == 31 and decoder.unused_data.startswith(_GZIP) else b""
    return _whole(pieces, limit)


def _brotli(body: bytes, limit: int) -> bytes:
    try:
        return _brotli_stream(body, limit)
    except (TooLargeError, UndecodableError):
        raise
    except Exception:  # the library's own error: for a broken stream, and for bytes behind a whole one
        found = None if len(body) > _LONG_BROTLI else _brotli_beginning(body, limit)
        if found is None:
            raise
        return found


def _brotli_beginning(body: bytes, limit: int) -> bytes | None:
    """Decompresses a stream behind which other bytes follow; None if it is broken.

    The library does not say where a stream ends, so it is fed in steps, then in single bytes from the step that failed.
    """
    import brotli  # noqa: PLC0415 - as below

    start = 0
    for step in (_BROTLI_STEP, 1):
        decoder = brotli.Decompressor()
        pieces = [decoder.process(body[:start], output_buffer_limit=limit + 1)]
        try:
            while start < len(body):
                pieces.append(decoder.process(body[start : start + step], output_buffer_limit=_left(pieces, limit)))
                if decoder.is_finished():
                    return _whole(pieces, limit)
                start += step
        except TooLargeError:
            raise
        except Exception:  # noqa: BLE001, S112 - as above
            continue
    return None


def _brotli_stream(body: bytes, limit: int) -> bytes:
    import brotli  # noqa: PLC0415 - for the few bodies that come so

    decoder = brotli.Decompressor()
    pieces = [decoder.process(body, output_buffer_limit=limit + 1)]
    while not decoder.is_finished():
        piece = decoder.process(b"", output_buffer_limit=_left(pieces, limit))
        if not piece:
            raise UndecodableError("it is cut")
        pieces.append(piece)
    return _whole(pieces, limit)


def _zstd(body: bytes, limit: int) -> bytes:
    try:
        from compression import zstd  # type: ignore[import-not-found]  # noqa: PLC0415 - Python 3.14 and later
    except ModuleNotFoundError:
        from backports import zstd  # noqa: PLC0415

    pieces: list[bytes] = []
    while body:  # frames may follow one another
        decoder = zstd.ZstdDecompressor()
        pieces.append(decoder.decompress(body, _left(pieces, limit)))
        _left(pieces, limit)
        if not decoder.eof:
            raise UndecodableError("it is cut")
        body = decoder.unused_data if decoder.unused_data.startswith(_ZSTD) else b""
    return b"".join(pieces)


def _left(pieces: list[bytes], limit: int) -> int:
    left = limit + 1 - sum(map(len, pieces))
    if left <= 0:
        raise TooLargeError
    return left


def _whole(pieces: list[bytes], limit: int) -> bytes:
    _left(pieces, limit)
    return b"".join(pieces)
