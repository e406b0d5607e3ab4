"""Unpacks bodies that came packed: gzip, deflate, br and zstd, by their older names, and one over the other."""

from __future__ import annotations

import zlib

_ALIASES = {"x-gzip": "gzip", "x-deflate": "deflate"}
_GZIP = b"\x1f\x8b"
_KNOWN = frozenset({"gzip", "deflate", "br", "zstd"})


class UndecodableError(ValueError):
    """A body is not coded as it says."""


class TooLargeError(ValueError):
    """A body has more bytes than allowed once it is unpacked."""


def codings_of(header: str) -> list[str] | None:
    """The codings of a header `Content-Encoding`, the one that was applied last first; None when one is unknown."""
    names = [name.strip().lower() for name in header.split(",") if name.strip()]
    known = [_ALIASES.get(name, name) for name in names if name != "identity"]
    return known[::-1] if all(name in _KNOWN for name in known) else None


def unpacked(body: bytes, codings: list[str], limit: int) -> bytes:
    """The body without its codings.

    Args:
        body: As it came.
        codings: See `codings_of`.
        limit: Bytes that it may have, after each coding.

    Raises:
        UndecodableError: It is not coded as it says.
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
        # deflate is meant to be zlib's format; many send the bare one.
        wbits = 31 if coding == "gzip" else 15 if body[0] & 0x0F == 8 else -15
        return _zlib(body, wbits, limit)
    except TooLargeError:
        raise
    except Exception as error:  # noqa: BLE001 - each library has errors of its own, all meaning the same
        raise UndecodableError(str(error)) from None


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
        body = decoder.unused_data
    return b"".join(pieces)


def _left(pieces: list[bytes], limit: int) -> int:
    left = limit + 1 - sum(map(len, pieces))
    if left <= 0:
        raise TooLargeError
    return left


def _whole(pieces: list[bytes], limit: int) -> bytes:
    _left(pieces, limit)
    return b"".join(pieces)
