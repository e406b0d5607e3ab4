"""Join folder and file to one path that never leaves the base, and name files beside others."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from zeebe_connectors import InputError

_ENDING = re.compile(r"(\.*.+?)((?:\.tar)?\.[^. ]{1,10})?", re.IGNORECASE | re.DOTALL)
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f]")


def checked(part: str, *, field: str) -> list[str]:
    """Returns the segments of a path, without empty ones and `.`.

    Raises:
        InputError: `FILES_PATH_FORBIDDEN` when it goes up by `..`, or holds a control character, which would end a
            command of FTP and begin another.
    """
    if _UNUSABLE.search(part):
        raise InputError(
            f"{field}: holds a control character, such as a line break; remove it", code="FILES_PATH_FORBIDDEN"
        )
    segments = [segment for segment in part.split("/") if segment not in {"", "."}]
    # A server on Windows takes backslashes for slashes.
    if any(map(_climbs, segments)):
        raise InputError(
            f"{field}: must not go up by '..'; give a path below the base folder", code="FILES_PATH_FORBIDDEN"
        )
    return segments


def joined(base: str, directory: str, file: str = "", *, fields: tuple[str, str] = ("directory", "file")) -> str:
    """Returns `base/directory/file` with single slashes.

    With a base the rest is always below it. Without one, a directory that begins with a slash is absolute, and an empty
    one is the login's home.

    Args:
        base: The operator's folder; may be empty.
        directory: The task's folder; may be empty.
        file: File name, or a path below the folder; may be empty for the folder itself.
        fields: Names of the last two inputs, for messages.

    Raises:
        InputError: `FILES_PATH_FORBIDDEN`.
    """
    segments = checked(base, field="base") + checked(directory, field=fields[0]) + checked(file, field=fields[1])
    first = next((part for part in (base, directory, file) if part.strip()), "")
    absolute = first.startswith("/")
    return ("/" if absolute else "") + "/".join(segments)


def below(folder: str, name: str) -> str:
    """Returns the path of an entry of a folder, by the name that the server listed.

    Raises:
        InputError: The name would lead elsewhere.
    """
    if "/" in name or name in {"", ".", ".."}:
        raise _leads_out()
    return name if not folder else f"/{name}" if folder == "/" else f"{folder}/{name}"


def entered(folder: str, name: str) -> str:
    """Returns the path of a listed folder that is entered, or of what is deleted.

    Raises:
        InputError: The name would lead elsewhere, also on a server that takes backslashes for slashes.
    """
    if _climbs(name):
        raise _leads_out()
    return below(folder, name)


def _climbs(segment: str) -> bool:
    return ".." in {piece.strip() for piece in segment.split("\\")}


def _leads_out() -> InputError:
    return InputError("the server listed a name that leads out of its folder", code="FILES_PATH_FORBIDDEN")


def is_below(path: str, folder: str) -> bool:
    """Returns whether a path is a folder, or something in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def split(path: str) -> tuple[str, str]:
    """Returns a path's folder and name."""
    folder, slash, name = path.rpartition("/")
    return ("/" if slash and not folder else folder), name


def numbered(path: str, number: int) -> str:
    """Adds a number to a name: `1.5.csv` -> `1.5 (2).csv`, `archive.tar.gz` -> `archive (2).tar.gz`."""
    folder, name = split(path)
    match = _ENDING.fullmatch(name)
    assert match is not None  # noqa: S101 - it matches any name
    return below(folder, f"{match[1]} ({number}){match[2] or ''}")


def temporary(path: str, key: str) -> str:
    """Returns where a file is written before it gets its name: the same in each try of a job, to leave no litter."""
    folder, name = split(path)
    short = name.encode(errors="ignore")[:120].decode(errors="ignore")  # 255 bytes at most are a name, not letters
    return below(folder, f".{short}.{re.sub('[^A-Za-z0-9-]', '', key)}.part")


def fits(name: str, path: str, patterns: Sequence[str]) -> bool:
    """Returns whether a file matches: by its name, or by its path below the listed folder if a pattern has a slash."""
    return not patterns or any(fnmatch.fnmatchcase(path if "/" in pattern else name, pattern) for pattern in patterns)
