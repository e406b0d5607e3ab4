"""Tell what an FTP server's answer means: its code, and where servers use one code for much, its words."""

from __future__ import annotations

import re
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
_BUSY: Meaning = ("FILES_BUSY", TransientError, "cannot use{about} now")
_WORDS: tuple[tuple[tuple[str, ...], Meaning], ...] = (
    (("quota", "no space", "disk full", "insufficient storage"), _FULL),
    (("another process", "in use", "locked", "sharing violation"), _BUSY),
    (("not empty",), ("FILES_NOT_EMPTY", PermanentError, "the folder{about} is not empty")),
    (
        ("no such", "not found", "not exist", "doesn't exist", "cannot find", "can't open", "not a directory",
         "not a regular"),
        ("FILES_NOT_FOUND", PermanentError, "there is no{about}"),
    ),
    (("exist", "already"), ("FILES_EXISTS", PermanentError, "there already is{about}")),
    (
        ("permission", "permitted", "denied", "not allowed", "privilege", "forbidden", "read-only", "not enough"),
        ("FILES_FORBIDDEN", PermanentError, "the login may not do this to{about}"),
    ),
)  # fmt: skip
_CLASSES: dict[int, Meaning] = {
    **dict.fromkeys((500, 501, 502, 503, 504), ("FILES_UNSUPPORTED", PermanentError, "cannot do that")),
    **dict.fromkeys((450, 451), _BUSY),
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
    """Returns the error of a refusal; the server's words decide where the code does not, and are not repeated.

    Args:
        reply: The answer.
        path: What it is about; may be empty.
        where: Host and port.
    """
    text = reply.text.casefold()
    by_words = next((meaning for words, meaning in _WORDS if any(word in text for word in words)), None)
    number = 421 if reply.code == 530 and is_crowded(reply) else reply.code
    code, kind, words = _CODES.get(number) or by_words or _CLASSES.get(number) or _OTHER
    about = f" {path}" if path else " such file or folder" if code == "FILES_NOT_FOUND" else " it"
    message = f"{where}: {words.format(about=about)} ({reply.code})"
    return kind(code, message, variables={"reply": reply.code})


def is_crowded(reply: Reply) -> bool:
    """Returns whether a login is refused only because others are signed in."""
    text = reply.text.casefold()
    return any(word in text for word in ("too many", "maximum number", "max clients", "connection limit", "try again"))


def home_of(reply: Reply) -> str:
    """Returns the folder that PWD names, in quotes or, by some servers, without; empty when it names none."""
    if reply.code != 257:
        return ""
    if match := re.search(r'"((?:[^"]|"")*)"', reply.text):
        return match.group(1).replace('""', '"')
    first = reply.text.strip().partition(" ")[0]
    return first if first.startswith("/") else ""


def extended_port(reply: Reply) -> int | None:
    """Returns the port that EPSV names: `229 Entering Extended Passive Mode (|||6446|)`."""
    match = re.search(r"\(([!-~])(\d?)\1[^()]*?\1(\d{1,5})\1\)", reply.text)
    return _port(int(match.group(3))) if match and reply.code == 229 else None


def passive_port(reply: Reply) -> int | None:
    """Returns the port that PASV names: `227 Entering Passive Mode (192,168,0,5,25,46)`."""
    match = re.search(r"\d+\s*,\s*\d+\s*,\s*\d+\s*,\s*\d+\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})", reply.text)
    return _port(int(match.group(1)) * 256 + int(match.group(2))) if match and reply.code == 227 else None


def _port(number: int) -> int | None:
    return number if 0 < number < 65536 else None


def says_empty(reply: Reply, verb: str) -> bool:
    """Returns whether the answer to a listing means an empty folder, for which some servers send no list."""
    text = reply.text.casefold()
    if verb not in {"LIST", "MLSD"}:
        return False
    return reply.code in {226, 250} or (reply.code in {450, 550} and any(words in text for words in _EMPTY))


def plain_argument(text: str, field: str) -> str:
    """Checks a login's text, which must not end a command.

    Raises:
        InputError: It holds a control character.
    """
    if any(ord(sign) < 32 or sign == "\x7f" for sign in text):
        raise InputError(f"{field}: holds a control character, which FTP cannot send; correct it")
    return text


def tls_failure(server: Server, error: ssl.SSLError) -> ConnectorError:
    """Returns the error for a failure of TLS on an open connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(
            "FILES_TLS_FAILED", f"the certificate of {server.where} is not trusted: {error.verify_message}"
        )
    reason = error.reason or type(error).__name__
    return PermanentError("FILES_TLS_FAILED", f"TLS with {server.where} failed ({reason})")
