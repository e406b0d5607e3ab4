"""Carry out a task on a file server so that a second try of the same job does no harm."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zeebe_connectors import ConnectorError, Context, Document, InputError, PermanentError
from zeebe_connectors.connectors.files import paths
from zeebe_connectors.connectors.files.given_content import Content
from zeebe_connectors.connectors.files.session import Entry, Session, not_found

MAX_NUMBER = 1000
_UNKNOWN_OUTCOME = frozenset({"FILES_LOST", "FILES_TIMEOUT"})
"""Codes after which the server may or may not have carried out the command."""
_VAGUE = frozenset({"FILES_NOT_FOUND", "FILES_REFUSED"})
"""Codes under which servers refuse for many reasons."""
_EXPLAINED = _VAGUE | {"FILES_FORBIDDEN"}
"""Codes whose reason may be that there is a folder, or none."""
MAX_VISITED = 100_000
"""Maximum number of files and folders that one listing visits."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry with its place.

    Args:
        folder: Below the listed one; empty for the listed one itself.
    """

    entry: Entry
    path: str
    folder: str


@dataclass(slots=True)
class Task:
    """One job on one session.

    Args:
        session: The session.
        another: Opens a second one, for copies through the runtime.
        context: The job's.
        where: Names the server and login, for what is remembered.
        naming: The lock held between choosing a free name and taking it.
    """

    session: Session
    another: Callable[[], AbstractAsyncContextManager[Session]]
    context: Context
    where: str
    naming: asyncio.Lock

    # Looking

    async def stays_within(self, base: str, path: str, *, itself: bool) -> None:
        """Follows the links of a path, where the server says where they lead.

        Args:
            base: The folder that it must not leave.
            path: A path below it, which need not exist.
            itself: Whether the last part is not followed, since the operation is about that very name.

        Raises:
            PermanentError: `FILES_PATH_FORBIDDEN`.
        """
        looked = paths.split(path)[0] if itself else path
        while len(looked) > len(base):
            real = await self._real(looked)
            if real is not None:
                if not await self._is_below(real, base):
                    raise PermanentError(
                        "FILES_PATH_FORBIDDEN",
                        f"{path}: a link on the server leads out of the base folder; name another file, or have the "
                        "operator allow it (linksLeaveBase)",
                    )
                return
            looked = paths.split(looked)[0]

    async def _is_below(self, real: str, base: str) -> bool:
        """Returns whether a real path is in the base, which is resolved once per connection, and again if it is not."""
        known = self.session.real_base
        if known is not None and known[0] == base and paths.is_below(real, known[1]):
            return True
        top = await self._real(base)
        if top is None:
            return True
        self.session.real_base = base, top
        return paths.is_below(real, top)

    async def _real(self, path: str) -> str | None:
        try:
            return await self.session.real(path)
        except ConnectorError as error:
            if error.code != "FILES_NOT_FOUND":
                raise
            return None

    async def listing(
        self, folder: str, *, patterns: Sequence[str], depth: int, kinds: frozenset[str], limit: int
    ) -> tuple[list[Found], bool]:
        """Lists a folder and those below it, breadth first; links are not followed.

        A server that lists a link to a folder as one gives itself away by MLSD's `unique`: no folder is entered twice.

        Returns:
            The entries, and whether there are more than the limit.
        """
        found: list[Found] = []
        waiting = [("", folder, 1, "")]
        visited = 0
        marks: set[str] = set()
        while waiting:
            below, here, level, mark = waiting.pop(0)
            if mark and not marks and (top := await self.session.stat(folder)) is not None:
                marks |= {top.unique} - {""}
            if mark in marks:
                continue
            marks |= {mark} - {""}
            async with contextlib.aclosing(self.session.entries(here)) as entries:  # type: ignore[type-var]
                async for entry in entries:
                    visited += 1
                    path = f"{below}/{entry.name}" if below else entry.name
                    whole = paths.below(here, entry.name)
                    if entry.kind == "folder" and level < depth:
                        waiting.append((path, paths.entered(here, entry.name), level + 1, entry.unique))
                    if entry.kind in kinds and paths.fits(entry.name, path, patterns):
                        if len(found) >= limit:
                            return found, True
                        found.append(Found(entry, whole, below))
                    if visited >= MAX_VISITED:
                        return found, True
        return found, False

    async def entry(self, path: str) -> Entry | None:
        """Returns the entry at a path; None if there is nothing."""
        return await self.session.stat(path)

    # Reading

    async def read_document(self, path: str, name: str) -> Document:
        """Stores a file as a document, piece by piece."""
        async with self._explaining(path, "choose the operation list"), self.session.reading(path) as pieces:
            return await self.context.documents.store(pieces, name=name)

    async def read_bytes(self, path: str, limit: int) -> bytes:
        """Returns a file's bytes.

        Raises:
            PermanentError: `FILES_TOO_LARGE`.
        """
        held = bytearray()
        async with self._explaining(path, "choose the operation list"), self.session.reading(path) as pieces:
            async for data in pieces:
                held += data
                if len(held) > limit:
                    raise PermanentError(
                        "FILES_TOO_LARGE",
                        f"{path}: is larger than maxBytes ({limit}); read it to a document, or raise maxBytes",
                    )
        return bytes(held)

    # Writing

    async def write(self, path: str, content: Content, *, if_exists: str) -> tuple[str, int]:
        """Writes a file under a temporary name and renames it once it is complete.

        Args:
            path: The file.
            content: What to write.
            if_exists: `overwrite`, `fail` or `number`.

        Returns:
            The file's path, with its number if it got one, and its size.
        """
        temporary = paths.temporary(path, self.context.key)
        if (named := await self._earlier(temporary, path, if_exists)) is not None:
            there = await self.session.stat(named)
            return named, there.size if there is not None and there.size is not None else content.size
        if if_exists == "fail" and await self.session.stat(path) is not None:
            raise _exists(path)
        try:
            async with content.opened(self.context) as pieces:
                size = await self.session.write(temporary, pieces)
            return await self._named(temporary, path, if_exists, noted=if_exists != "overwrite"), size
        except ConnectorError as error:
            await self._tidy(temporary)
            raise await self._explained(error, path) from None

    async def _explained(self, error: ConnectorError, target: str) -> ConnectorError:
        """Finds out whether a refusal to write or to rename is the target's: no folder for it, or a folder there."""
        if error.code not in _EXPLAINED or not self.session.usable:
            return error
        folder = paths.split(target)[0]
        if folder and await self.session.stat(folder) is None:
            return PermanentError(
                "FILES_NOT_FOUND", f"{self.where}: there is no folder {folder}; make it, or choose makeFolders"
            )
        there = await self.session.stat(target)
        if there is not None and there.kind == "folder":
            return _is_folder(target)
        return error

    @contextlib.asynccontextmanager
    async def _explaining(self, path: str, advice: str) -> AsyncIterator[None]:
        """Says so where a server refuses, in words of its own, to do with a folder what is for files."""
        try:
            yield
        except ConnectorError as error:
            if error.code in _EXPLAINED and self.session.usable:
                there = await self.session.stat(path)
                if there is not None and there.kind == "folder":
                    raise PermanentError("FILES_UNSUPPORTED", f"{path}: is a folder; {advice}") from None
            raise

    async def _named(self, source: str, target: str, if_exists: str, *, noted: bool) -> str:
        """Renames a complete file to its name, or to the next free one.

        Args:
            source: Where it is.
            target: The requested name.
            if_exists: `overwrite`, `fail` or `number`.
            noted: Whether a further try must be able to find out what became of this one.

        Raises:
            PermanentError: `FILES_EXISTS`.
        """
        if if_exists == "overwrite":
            return await self._renamed(source, target, target, replace=True, noted=noted)
        if if_exists == "fail":
            async with self.naming:
                if await self.session.stat(target) is not None:
                    raise _exists(target)
                return await self._renamed(source, target, target, replace=False, noted=noted)
        chosen = target
        for number in range(2, MAX_NUMBER + 2):
            if await self.session.stat(chosen) is None and await self._claimed(chosen):
                try:
                    return await self._renamed(source, target, chosen, replace=False, noted=noted)
                except ConnectorError as error:
                    if error.code != "FILES_EXISTS":
                        raise
            chosen = paths.numbered(target, number)
        raise PermanentError("FILES_EXISTS", f"{target}: {MAX_NUMBER} files of this name already exist")

    async def _claimed(self, name: str) -> bool:
        """Returns whether a name is this job's: claimed before anyone else's, and still free after that."""
        place = f"files:{self.where}/claims"
        if await self.context.memory.remember(place, name, self.context.key) != self.context.key:
            return False
        if await self.session.stat(name) is not None:  # somebody else was done with it meanwhile
            await self.context.memory.forget(place, name)
            return False
        self.context.discard_on_success(place, name)
        return True

    async def _renamed(self, source: str, target: str, chosen: str, *, replace: bool, noted: bool) -> str:
        place, key = self._names, self.context.key
        if noted:
            self.context.discard_on_success(place, key)
            await self.context.memory.remember(place, key, json.dumps([source, target, chosen]))
        try:
            await self.session.rename(source, chosen, replace=replace)
        except ConnectorError as error:
            if noted and error.code not in _UNKNOWN_OUTCOME:
                await self.context.memory.forget(place, key)
            if error.code == "FILES_EXISTS":
                raise _exists(chosen) from None
            raise await self._explained(error, chosen) from None
        return chosen

    async def _earlier(self, source: str, target: str, if_exists: str) -> str | None:
        """Returns the name to which an earlier try of this job renamed a file that is no longer under its old one."""
        if if_exists == "overwrite" and source == paths.temporary(target, self.context.key):
            return None  # it is written again
        place, key = self._names, self.context.key
        known = (await self.context.memory.recall(place, [key])).get(key)
        if known is None:
            return None
        was, requested, chosen = json.loads(known)
        if (
            (was, requested) == (source, target)
            and await self.session.stat(source) is None
            and await self.session.stat(chosen) is not None
        ):
            self.context.discard_on_success(place, key)
            return str(chosen)
        await self.context.memory.forget(place, key)
        return None

    @property
    def _names(self) -> str:
        """The place in memory of the names that jobs were about to give."""
        return f"files:{self.where}/names"

    async def _tidy(self, temporary: str) -> None:
        """Removes an unfinished file if the session still can; otherwise the next try of the job overwrites it."""
        if self.session.usable:
            with contextlib.suppress(ConnectorError):
                await self.session.delete(temporary)

    async def append(self, path: str, content: Content) -> int:
        """Appends to a file, once: a further try of the job appends only what an earlier one did not.

        Returns:
            The file's size.
        """
        place = f"files:{self.where}/appended"
        there = await self.session.stat(path)
        if there is not None and there.kind == "folder":
            raise _is_folder(path)
        if there is not None and there.size is None:
            raise PermanentError(
                "FILES_UNSUPPORTED",
                f"{path}: the server does not say how large it is, so that a further try could append twice; write a "
                "file of its own",
            )
        size = (there.size or 0) if there is not None else 0
        before = int(await self.context.memory.remember(place, self.context.key, str(size)))
        self.context.discard_on_success(place, self.context.key)
        done = max(0, size - before)
        try:
            async with content.opened(self.context) as pieces:
                written = await self.session.write(path, _without(pieces, done), append=True)
        except ConnectorError as error:
            raise await self._explained(error, path) from None
        return size + written

    # Moving

    async def move(self, source: str, target: str, *, if_exists: str) -> str:
        """Moves a file or folder; a further try that finds it at the target succeeds."""
        if await self.session.stat(source) is None:
            if (named := await self._earlier(source, target, if_exists)) is not None:
                return named
            raise not_found(source, self.where)
        if source == target:
            return target
        await self._earlier(source, target, if_exists)
        return await self._named(source, target, if_exists, noted=True)

    async def copy(self, source: str, target: str, *, if_exists: str) -> tuple[str, int | None, bool]:
        """Copies a file: within the server if it can, otherwise through the runtime.

        Returns:
            The copy's path, its size, and whether the server did it.
        """
        there = await self.session.stat(source)
        if there is None:
            raise not_found(source, self.where)
        if there.kind == "folder":
            raise PermanentError("FILES_UNSUPPORTED", f"{source}: is a folder; copy its files")
        if source == target:
            raise InputError("targetDirectory, targetFile: name the source itself; give another target")
        temporary = paths.temporary(target, self.context.key)
        if (named := await self._earlier(temporary, target, if_exists)) is not None:
            return named, there.size, False
        if if_exists == "fail" and await self.session.stat(target) is not None:
            raise _exists(target)
        try:
            here = await self.session.copy(source, temporary)
            if not here:
                async with self.another() as other, other.reading(source) as pieces:
                    await self.session.write(temporary, pieces)
            named = await self._named(temporary, target, if_exists, noted=if_exists != "overwrite")
        except ConnectorError as error:
            await self._tidy(temporary)
            raise await self._explained(error, target) from None
        return named, there.size, here

    async def delete(self, path: str, *, missing_ok: bool) -> bool:
        """Deletes a file; returns whether it existed."""
        try:
            async with self._explaining(path, "choose the operation removeFolder"):
                await self.session.delete(path)
        except ConnectorError as error:
            if error.code in _VAGUE and await self.session.stat(path) is None:
                if missing_ok:
                    return False
                raise not_found(path, self.where) from None
            raise
        return True

    async def make_folders(self, path: str) -> bool:
        """Creates a folder and those above it; returns whether it was missing."""
        if not path or await self._is_folder(path):
            return False
        parts = path.strip("/").split("/")
        made = "/" if path.startswith("/") else ""
        missing = []
        for end in range(len(parts), 0, -1):
            here = made + "/".join(parts[:end])
            if end < len(parts) and await self._is_folder(here):
                break
            missing.append(here)
        for here in reversed(missing):
            try:
                await self.session.make_folder(here)
            except ConnectorError:
                if not await self._is_folder(here):  # another job may have made it meanwhile
                    raise
        return True

    async def _is_folder(self, path: str) -> bool:
        there = await self.session.stat(path)
        if there is not None and there.kind == "file":
            raise PermanentError("FILES_EXISTS", f"{path}: is a file and not a folder")
        return there is not None

    async def remove_folder(self, path: str, *, recursive: bool, missing_ok: bool) -> bool:
        """Removes a folder, with everything in it if `recursive`; returns whether it existed."""
        if not path.strip("/"):
            raise InputError("directory: names the home or the root, which is not removed; give a folder below it")
        there = await self.session.stat(path)
        if there is None:
            if missing_ok:
                return False
            raise not_found(path, self.where)
        if there.kind == "file":
            raise PermanentError("FILES_UNSUPPORTED", f"{path}: is a file; choose the operation delete")
        if recursive:
            await self._remove_all(path)
        else:
            await self.session.remove_folder(path)
        return True

    async def _remove_all(self, path: str) -> None:
        """Removes a folder and what is in it; of a link to a folder, which many servers list as one, only the link."""
        try:
            await self.session.delete(path)  # no server deletes a folder so
        except ConnectorError as error:
            if not self.session.usable:
                raise
            if error.code == "FILES_NOT_FOUND" and await self.session.stat(path) is None:
                return
        else:
            return
        for entry in [entry async for entry in self.session.entries(path)]:
            below = paths.entered(path, entry.name)
            await (self._remove_all(below) if entry.kind in {"folder", "other"} else self.session.delete(below))
        await self.session.remove_folder(path)


async def _without(pieces: AsyncIterator[bytes], skipped: int) -> AsyncGenerator[bytes, None]:
    async for data in pieces:
        if skipped >= len(data):
            skipped -= len(data)
            continue
        yield data[skipped:]
        skipped = 0


def _exists(path: str) -> PermanentError:
    return PermanentError(
        "FILES_EXISTS", f"{path}: already exists; choose another name, or overwrite or number in ifExists"
    )


def _is_folder(path: str) -> PermanentError:
    return PermanentError("FILES_EXISTS", f"{path}: is a folder, which no file replaces; choose another name")


def described(found: Found) -> dict[str, Any]:
    """Returns an entry in the form of process variables."""
    entry = found.entry
    return {
        "name": entry.name,
        "path": found.path,
        "folder": found.folder,
        "kind": entry.kind,
        "size": entry.size,
        "modified": iso(entry.modified),
    }


def iso(moment: datetime | None) -> str | None:
    """Returns a time in ISO 8601, ending in `Z`."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
