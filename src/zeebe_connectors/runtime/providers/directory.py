"""Hold a runtime's providers: those of `providers.yaml`, which is reloaded when it changes, and those of the store."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zeebe_connectors.config.providers import (
    FileProviders,
    Provider,
    ProvidersFileError,
    provider_of,
    read_file,
)
from zeebe_connectors.config.providers.file import sealed_document
from zeebe_connectors.runtime.ledger import LedgerError
from zeebe_connectors.runtime.providers.store import ProviderStore
from zeebe_connectors.sdk.errors import PermanentError

LOOK_EVERY = 1.0
"""Seconds between two checks of the file."""
_STORE_EVERY = 3  # checks of the file for each check of the store

_log = logging.getLogger("zeebe_connectors.providers")


@dataclass(frozen=True, slots=True)
class Known:
    """A provider that is in force.

    Args:
        name: Its name.
        provider: Its description.
        kind: Its origin.
        line: Line in the file; zero for the store.
        revision: Changes whenever the provider does.
    """

    name: str
    provider: Provider
    kind: Literal["file", "store"]
    line: int = 0
    revision: int = 0


class Directory:
    """The providers by name; the file wins over the store.

    Args:
        file: `providers.yaml`, which may be created later; None without one.
        store: Providers made through API, command or page; None without one.
        described: Documents by name that count like those of a file, for tests.
    """

    def __init__(
        self,
        file: Path | None = None,
        store: ProviderStore | None = None,
        *,
        described: Mapping[str, Any] | None = None,
    ) -> None:
        self.file = file
        self.store = store
        self.problem: str | None = None
        """Why the file cannot be used; meanwhile, what was read last stays in force."""
        self._from_file = FileProviders()
        self._from_store: Mapping[str, Provider] = {}
        self._store_version: tuple[float, ...] = ()
        self._known: dict[str, Known] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._revision = 0
        self._task: asyncio.Task[None] | None = None
        if described:
            found = {name: provider_of(sealed_document(item), name=name) for name, item in described.items()}
            self._from_file = FileProviders(found)
            self._merge()

    def load(self) -> None:
        """Reads the file for the first time.

        Raises:
            ProvidersFileError: It cannot be used, and at the start there is nothing older to use instead.
        """
        if self.file is not None:
            self._stamp = _stamp(self.file)
            if self._stamp is not None:
                self._from_file = read_file(self.file)
        self._merge()

    def start(self) -> None:
        """Starts watching the file; needs a running event loop."""
        if self._task is None and (self.file is not None or self.store is not None):
            self._task = asyncio.create_task(self._watch(), name="providers")

    async def aclose(self) -> None:
        """Stops watching the file."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def refresh(self, *, store: bool = True) -> None:
        """Checks for changes now."""
        changed = await asyncio.to_thread(self._reread) if self.file is not None else False
        if store and self.store is not None:
            with contextlib.suppress(LedgerError):  # what was read last stays; the ledger's health reports it
                version = await self.store.version()
                if version != self._store_version:
                    self._from_store = await self.store.providers()
                    self._store_version = version
                    changed = True
        if changed:
            self._merge()

    def all(self) -> Mapping[str, Known]:
        """Returns every provider by name."""
        return self._known

    def unusable(self) -> Mapping[str, str]:
        """Returns why providers of the database cannot be used, by name; without those that the file replaces."""
        problems = self.store.problems if self.store is not None else {}
        return {name: reason for name, reason in problems.items() if name not in self._known}

    def get(self, name: str) -> Known:
        """Returns one provider.

        Raises:
            PermanentError: `PROVIDER_UNKNOWN`, with the nearest name, or `PROVIDER_UNUSABLE`.
        """
        known = self._known.get(name)
        if known is not None:
            return known
        if reason := self.unusable().get(name):
            raise PermanentError("PROVIDER_UNUSABLE", f"provider: {name} cannot be used: {reason}")
        near = difflib.get_close_matches(name, self._known, n=1)
        help_ = f"did you mean {near[0]}?" if near else "name one that `zeebe-connectors providers list` shows"
        raise PermanentError("PROVIDER_UNKNOWN", f"provider: there is no provider {name[:64]!r}; {help_}")

    async def _watch(self) -> None:
        looks = 0
        while True:
            try:
                await self.refresh(store=looks % _STORE_EVERY == 0)
            except Exception:  # noqa: BLE001 - whatever it is, it is tried again
                _log.exception("The providers could not be read again; tried again in %.0f s", LOOK_EVERY)
            looks += 1
            await asyncio.sleep(LOOK_EVERY)

    def _reread(self) -> bool:
        """Reads the file again if it changed; returns whether it did and can be used."""
        assert self.file is not None  # noqa: S101 - the caller's word
        stamp = _stamp(self.file)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._from_file = self._newly_read(self.file)
        except ProvidersFileError as error:
            self.problem = str(error)
            _log.warning("The providers stay as they were: %s", error)
            return False
        self.problem = None
        _log.info("The providers were read again from %s", self.file)
        return True

    def _newly_read(self, file: Path) -> FileProviders:
        found = read_file(file)
        if found.is_blank and self._from_file.providers:  # as editors leave it for a moment
            raise ProvidersFileError(f"{file}: is empty; write `providers: {{}}` to remove all of them")
        return found

    def _merge(self) -> None:
        self._revision += 1
        found: dict[str, Known] = {}
        for name, provider in self._from_store.items():
            found[name] = Known(name, provider, "store")
        for name, provider in self._from_file.providers.items():
            found[name] = Known(name, provider, "file", self._from_file.lines.get(name, 0))
        for name, known in found.items():
            before = self._known.get(name)
            same = before is not None and before.kind == known.kind and before.provider == known.provider
            revision = before.revision if same and before is not None else self._revision
            found[name] = Known(name, known.provider, known.kind, known.line, revision)
        self._known = dict(sorted(found.items()))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
