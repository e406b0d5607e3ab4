"""Resolve paths from diagrams, below the directories that the operator allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zeebe_connectors.sdk.errors import InputError


def private_folder(path: Path) -> Path:
    """Makes a folder, and missing ones above it, for the owner alone; one that exists stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    missing = [path, *path.parents]
    for folder in reversed(missing[: next((at for at, each in enumerate(missing) if each.is_dir()), len(missing))]):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


class AllowedFiles:
    """Gives access to files below the directories that the operator named, and to no others.

    Args:
        directories: Allowed directories; none means that no file can be read or written.
    """

    def __init__(self, directories: Sequence[Path] = ()) -> None:
        self._directories = [directory.resolve() for directory in directories]

    def resolve(self, path: str, *, field: str) -> Path:
        """Returns the real path of a file below an allowed directory, links followed; tries a relative path in each.

        Args:
            path: As the modeler wrote it.
            field: Name of the input field, for the message.

        Raises:
            InputError: `FILE_FORBIDDEN` when the path leads elsewhere.
        """
        if "\0" not in path:
            for directory in self._directories:
                real = (directory / path).resolve()
                if real.is_relative_to(directory):
                    return real
        allowed = "no directory is allowed" if not self._directories else "it is outside the allowed directories"
        raise InputError(
            f"{field}: the file may not be used: {allowed}. Put it below a directory that the operator names in "
            "ZEEBE_CONNECTORS_FILES, or pass a document",
            code="FILE_FORBIDDEN",
        )
