"""Tell what an FTP server's answer means: its code, and where servers use one code for much, its words."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from zeebe_connectors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.connectors.files.session import Server

Meaning = tuple[str, type[ConnectorError], str]
_FULL: Meaning = ("FILES_FULL", TransientError, "has no space left for{about}")
_LOST: Meaning = (
    "FILES_LOST", TransientError,
    "the data connection cannot be opened, or broke. Switch active mode on or off, or check the use of TLS",
)  # fmt: skip
_CODES: dict[int, Meaning] = {
    421: ("FILES_BUSY", TransientError, "accepts no session now, or ended it"),
    552: _FULL,
    452: _FULL,
    425: _LOST,
    426: _LOST,
    530: ("FILES_AUTH_FAILED", PermanentError, "requires another login for{about}"),
    532: ("FILES_AUTH_FAILED", PermanentError, "requires an account for{about}, which is not supported"),
}
_WORDS: tuple[tuple[tuple[str, ...], Meaning], ...] = (
    (("quota", "no space"), _FULL),
    (("not empty",), ("FILES_NOT_EMPTY", PermanentError, "the folder{about} is not empty")),
    (
        ("no such", "not found", "not exist", "doesn't exist", "cannot find", "can't open", "not a directory",
         "not a regular"),
        ("FILES_NOT_FOUND", PermanentError, "there is no{about}"),
    ),
    (("exist", "already"), ("FILES_EXISTS", PermanentError, "there already is{about}")),
    (
        ("permission", "denied", "not allowed", "privilege", "forbidden", "read-only", "not enough"),
        ("FILES_FORBIDDEN", PermanentError, "the login may not do this to{about}"),
    ),
)  # fmt: skip
_CLASSES: dict[int, Meaning] = {
    **dict.fromkeys((500, 501, 502, 503, 504), ("FILES_UNSUPPORTED", PermanentError, "cannot do that")),
    **dict.fromkeys((450, 451), ("FILES_BUSY", TransientError, "cannot use{about} now")),
}
_EMPTY = ("no files", "no members", "no data sets", "directory is empty", "folder is empty", "empty directory")
_OTHER: Meaning = ("FILES_REFUSED", ConnectorError, "refuses{about}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: its code, and its lines without it."""

    code: int
    lines: list[str]

    @property
    def text(self) -> str:
        """All lines as one, of a bounded length."""
        return " ".join(self.lines)[:2000]


def refusal(reply: Reply, path: str, where: str) -> ConnectorError:
    """What a refusal means; the server's words decide where the code does not, and are not repeated.

    Args:
        reply: The answer.
        path: What it is about; may be empty.
        where: Host and port.
    """
    text = reply.text.casefold()
    by_words = next((meaning for words, meaning in _WORDS if any(word in text for word in words)), None)
    code, kind, words = _CODES.get(reply.code) or by_words or _CLASSES.get(reply.code) or _OTHER
    about = f" {path}" if path else " it"
    message = f"{where}: {words.format(about=about)} ({reply.code})"
    return kind(code, message, variables={"reply": reply.code})


def says_empty(reply: Reply, verb: str) -> bool:
    """Whether the answer to a listing means an empty folder, of which some servers send none: done, or an error."""
    text = reply.text.casefold()
    if verb not in {"LIST", "MLSD"}:
        return False
    return reply.code in {226, 250} or (reply.code in {450, 550} and any(words in text for words in _EMPTY))


def plain_argument(text: str, field: str) -> str:
    """A login's text, refused when it could end a command.

    Raises:
        InputError: It holds a control character.
    """
    if any(ord(sign) < 32 or sign == "\x7f" for sign in text):
        raise InputError(f"{field}: holds a control character, which FTP cannot send; correct it")
    return text


def tls_failure(server: Server, error: ssl.SSLError) -> ConnectorError:
    """What a failure of TLS on an open connection means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(
            "FILES_TLS_FAILED", f"the certificate of {server.where} is not trusted: {error.verify_message}"
        )
    reason = error.reason or type(error).__name__
    return PermanentError("FILES_TLS_FAILED", f"TLS with {server.where} failed ({reason})")
