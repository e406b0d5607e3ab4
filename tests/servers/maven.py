"""Obtains a file from a Maven repository for tests, by coordinates and pinned checksum, once."""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
from maven_artifact.artifact import Artifact as Coordinates
from maven_artifact.requestor import Requestor
from maven_artifact.resolver import Resolver
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from zeebe_connectors.testing.process import cache_directory

ATTEMPTS = 5
"""Times that a transfer that breaks off is taken up again before the download counts as impossible."""


class ArtifactUnavailableError(Exception):
    """A file that a test needs could not be obtained, for want of a network most often."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file in a Maven repository, and what it must be.

    Attributes:
        group: Maven group id.
        name: Maven artifact id.
        version: Exact version; no ranges.
        extension: `jar` or `tar.gz`.
        sha256: Hexadecimal SHA-256 that the file must have; a file with another one is never used.
        size: Bytes, which are shown before a download.
        licence: Name of the licence, shown to the user before the first download.
    """

    group: str
    name: str
    version: str
    extension: str
    sha256: str
    size: int
    licence: str

    @property
    def coordinates(self) -> str:
        """The usual notation, for example `org.example:thing:1.0:tar.gz`."""
        suffix = "" if self.extension == "jar" else f":{self.extension}"
        return f"{self.group}:{self.name}:{self.version}{suffix}"

    @property
    def filename(self) -> str:
        """The file's name in the repository and in the cache."""
        return f"{self.name}-{self.version}.{self.extension}"


def obtain(artifact: Artifact, *, console: Console | None = None) -> Path:
    """Return the artifact's verified file, downloading it when the cache has none.

    A download that broke off goes on where it stopped. Several processes may ask at once: one downloads, the
    others wait for it.

    Args:
        artifact: What to obtain.
        console: Where the progress is shown; standard error by default.

    Raises:
        ArtifactUnavailableError: There is no network, the repository refuses, or the bytes are not the pinned ones.
    """
    target = cache_directory() / "artifacts" / artifact.filename
    if target.exists():
        return target
    _make_directory(target.parent, artifact)
    with locked(target.with_name(target.name + ".lock")):
        if not target.exists():  # another process may have brought it while this one waited for the lock
            _download(artifact, target, console or Console(stderr=True))
    return target


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes of this user respect; it is free again when its holder ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        _lock(file)
        yield  # closing the file releases the lock


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        while True:
            try:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            except OSError:  # LK_LOCK gives up after ten seconds; a download takes longer
                continue
            return
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)


def _download(artifact: Artifact, target: Path, console: Console) -> None:
    address = _address(artifact)
    part = target.with_name(target.name + ".part")
    console.print(
        f"Downloading [bold]{artifact.coordinates}[/] ({artifact.size / 1e6:.0f} MB, once), {artifact.licence}",
        highlight=False,
    )
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(TextColumn(artifact.name), *columns, console=console, transient=True) as progress:
        task = progress.add_task(artifact.name, total=artifact.size)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                resumed = _transfer(address, part, progress, task)
            except (httpx.TransportError, OSError) as error:
                if attempt == ATTEMPTS or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | OSError):
                    raise _unavailable(artifact, str(error) or type(error).__name__) from error
                time.sleep(0.2 * 2**attempt)
                continue
            except httpx.HTTPStatusError as error:
                raise _unavailable(artifact, f"the repository answered {error.response.status_code}") from error
            found = _sha256(part)
            if found == artifact.sha256:
                part.replace(target)
                return
            part.unlink()
            # The half that lay on the disk may have been the wrong one; a download from the start that is wrong, is.
            if not resumed:
                raise _unavailable(
                    artifact, f"the bytes have SHA-256 {found}, expected {artifact.sha256}; they were deleted"
                )
    raise _unavailable(artifact, "the download never became complete")


def _transfer(address: str, part: Path, progress: Progress, task: TaskID) -> bool:
    """Bring the part file to its whole length; tell whether it was begun by an earlier transfer."""
    begun = part.stat().st_size if part.exists() else 0
    timeout = httpx.Timeout(30.0, connect=10.0)
    # `identity`: a range of compressed bytes would be a range of something else.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    with httpx.stream("GET", address, headers=headers, timeout=timeout, follow_redirects=True) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # the part is already whole, or too long: the checksum tells
        response.raise_for_status()
        resumed: bool = response.headers.get("Content-Range", "").startswith(f"bytes {begun}-")
        if not resumed:
            begun = 0
        length = response.headers.get("Content-Length")
        progress.update(task, completed=begun, total=begun + int(length) if length else None)
        with part.open("ab" if resumed else "wb") as file:
            for block in response.iter_raw():  # as they come: a larger block would be lost when the connection breaks
                file.write(block)
                progress.advance(task, len(block))
    return resumed


def _address(artifact: Artifact) -> str:
    """Ask the Maven library where the artifact is; `ZEEBE_CONNECTORS_MAVEN` names a mirror in its place."""
    mirror = os.environ.get("ZEEBE_CONNECTORS_MAVEN")
    resolver = Resolver(mirror, Requestor()) if mirror else Resolver.default()
    coordinates = Coordinates(artifact.group, artifact.name, artifact.version, extension=artifact.extension)
    return str(resolver.uri_for_artifact(coordinates))


def _unavailable(artifact: Artifact, reason: str) -> ArtifactUnavailableError:
    return ArtifactUnavailableError(
        f"{artifact.coordinates} is not in the cache ({cache_directory()}) and could not be downloaded: {reason}.\n"
        "Behind a proxy or with a mirror, set HTTPS_PROXY, or ZEEBE_CONNECTORS_MAVEN to the address of a Maven "
        "repository, and try again; a download that broke off goes on where it stopped."
    )


def _make_directory(directory: Path, artifact: Artifact) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactUnavailableError(
            f"{artifact.coordinates} cannot be kept in {directory}: {error}. Set ZEEBE_CONNECTORS_CACHE to a directory "
            "that can be written."
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
