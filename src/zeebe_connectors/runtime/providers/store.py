"""Keep the providers that are made through API, command or page, in their own tables of the ledger's database."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zeebe_connectors.config.providers import Provider, ProviderError, provider_of
from zeebe_connectors.config.secrets.placeholders import refers, secret_name
from zeebe_connectors.runtime.ledger import Store
from zeebe_connectors.runtime.ledger.store import Transaction
from zeebe_connectors.runtime.providers.editing import (
    Instructions,
    Place,
    described_change,
    origin_of,
    taken_apart,
    with_values,
)
from zeebe_connectors.runtime.providers.entries import (
    Change,
    Editor,
    Entry,
    NotAllowedError,
    ProviderConflictError,
    ProviderUnknownError,
    SecuredValue,
)
from zeebe_connectors.runtime.providers.sealing import Sealer, SealError
from zeebe_connectors.sdk.errors import PermanentError
from zeebe_connectors.sdk.fields import Secret

_MAX_HISTORY = 200
"""Maximum number of remembered changes of a provider."""
_MAX_DOCUMENT = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Row:
    sealed: str
    origin: str
    changed: float


class ProviderStore:
    """The providers of one database, SQLite's or PostgreSQL's.

    Args:
        store: The database.
        sealer: Encrypts secured values.
    """

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self.problems: dict[str, str] = {}
        """Why providers cannot be used, by name."""

    async def version(self) -> tuple[float, ...]:
        """Returns a value that changes with every change of any provider."""
        query = "SELECT COUNT(*), COALESCE(SUM(version), 0), COALESCE(MAX(changed), 0) FROM providers"
        rows = await self._store.read(lambda do: do.rows(query, {}))
        return tuple(float(value) for value in rows[0])

    async def providers(self) -> dict[str, Provider]:
        """Returns every provider with its secured values, for use; one that cannot be opened goes to `problems`."""
        remaining = await self._store.read(
            lambda do: [
                (str(name), str(text), _values(do, str(name)))
                for name, text in do.rows("SELECT name, document FROM providers", {})
            ]
        )
        # In a thread: many are opened at once, and a name that only a plugin reads loads all connectors.
        found, self.problems = await asyncio.to_thread(self._all_opened, remaining)
        return found

    def _all_opened(
        self, stored: list[tuple[str, str, dict[Place, _Row]]]
    ) -> tuple[dict[str, Provider], dict[str, str]]:
        """Returns the providers, and why others cannot be used."""
        found: dict[str, Provider] = {}
        problems: dict[str, str] = {}
        for name, text, values in stored:
            try:
                document = _document(text)
                opened = {
                    place: self._opened(row, name, place, origin_of(document, place[0]))
                    for place, row in values.items()
                }
                found[name] = provider_of(with_values(document, opened), name=name)
            except SealError as error:
                problems[name] = f"a secured value cannot be opened: {error}"
            except ProviderError as error:
                problems[name] = error.message
            except ValueError:
                problems[name] = _BROKEN
        return found, problems

    async def entries(self) -> list[Entry]:
        """Returns every provider without secured values."""
        return await self._store.read(
            lambda do: [
                _entry(do, row)
                for row in do.rows("SELECT name, document, version, changed, who FROM providers ORDER BY name", {})
            ]
        )

    async def find(self, name: str) -> Entry | None:
        """Returns one provider without secured values; None if there is none."""
        return await self._store.read(lambda do: _find(do, name))

    async def history(self, name: str) -> list[Change]:
        """Returns who changed what and when, the newest first; without values."""
        query = (
            "SELECT version, at, who, what FROM provider_history WHERE provider = :name ORDER BY at DESC, version DESC"
        )
        rows = await self._store.read(lambda do: do.rows(query, {"name": name}))
        return [Change(int(version), float(at), str(who), str(what)) for version, at, who, what in rows]

    async def create(self, name: str, document: Mapping[str, Any], editor: Editor) -> Entry:
        """Creates a provider.

        Raises:
            ProviderConflictError: A provider of that name exists.
            ProviderError: The document is wrong.
            NotAllowedError: The editor may not set secured values.
        """
        return await self._write(name, document, editor, version=0)

    async def change(self, name: str, document: Mapping[str, Any], editor: Editor, *, version: int) -> Entry:
        """Replaces a provider's document; absent secured values stay, unless they would be sent elsewhere.

        Args:
            name: The provider's name.
            document: The complete document.
            editor: Who changes it.
            version: The version that was read; any other version now is a conflict.

        Raises:
            ProviderUnknownError: There is no such provider.
            ProviderConflictError: It was changed meanwhile.
            ProviderError: The document is wrong.
            NotAllowedError: The editor may not set secured values.
        """
        return await self._write(name, document, editor, version=version)

    async def copy(self, name: str, editor: Editor, *, from_: str, to: str, version: int, secured: bool) -> Entry:
        """Copies one environment onto another.

        Args:
            name: The provider's name.
            editor: Who copies.
            from_: The environment to copy from.
            to: The environment to write to.
            version: The version that was read.
            secured: Whether to copy secured values too; otherwise the target's own stay unless they would be sent
                elsewhere.

        Raises:
            ProviderUnknownError: There is no such provider or environment.
            ProviderConflictError: It was changed meanwhile.
            NotAllowedError: The editor may not set secured values.
        """
        entry = await self.find(name)
        if entry is None:
            raise ProviderUnknownError(name)
        document = copy.deepcopy(dict(entry.document))
        environments = document.get("environments") or {}
        if from_ not in environments:
            raise PermanentError(
                "PROVIDER_ENVIRONMENT_UNKNOWN",
                f"from: {name} has no environment {from_[:64]!r}; it has {', '.join(environments)}",
            )
        environments[to] = copy.deepcopy(environments[from_])
        if secured:
            if not editor.secrets:
                raise NotAllowedError("you may not copy secured values; copy without them")
            values = await self._store.read(lambda do: _values(do, name))
            for place, row in values.items():
                if place[0] == from_:
                    opened = self._opened_or_refused(row, name, place, origin_of(entry.document, from_))
                    document = with_values(document, {(to, place[1]): {"value": opened}})
                elif place[0] == to and (from_, place[1]) not in values:
                    document = with_values(document, {place: {"value": None}})
        return await self._write(name, document, editor, version=version)

    async def delete(self, name: str, editor: Editor, *, version: int) -> None:
        """Removes a provider with its values; its history stays.

        Raises:
            ProviderUnknownError: There is no such provider.
            ProviderConflictError: It was changed meanwhile.
        """

        def work(do: Transaction) -> None:
            entry = _find(do, name, locked=True)
            if entry is None:
                raise ProviderUnknownError(name)
            if entry.version != version:
                raise ProviderConflictError(_CHANGED, entry)
            do.change("DELETE FROM provider_values WHERE provider = :name", {"name": name})
            do.change("DELETE FROM providers WHERE name = :name", {"name": name})
            _remember(do, name, entry.version + 1, editor, "deleted")

        await self._store.write(work)

    async def rotate(self, editor: Editor) -> int:
        """Seals every value with the first key; returns how many were sealed with another.

        Raises:
            PermanentError: `PROVIDER_KEY_MISSING` when a value cannot be opened with any key, `PROVIDER_UNUSABLE` when
                a row is not JSON; nothing is changed.
        """

        def work(do: Transaction) -> int:
            count = 0
            # Locked, so that a value that is set meanwhile is not written over with the old one.
            for row in do.rows_locked("SELECT name, document, version, changed, who FROM providers ORDER BY name", {}):
                entry = _entry(do, row)
                if entry.is_broken:
                    raise PermanentError("PROVIDER_UNUSABLE", f"{entry.name}: {_BROKEN}")
                touched = 0
                for place, value in _values(do, entry.name).items():
                    if _is_name(value.sealed) or self._sealer.is_current(value.sealed):
                        continue
                    origin = origin_of(entry.document, place[0])
                    opened = self._opened_or_refused(value, entry.name, place, origin)
                    _put(do, entry.name, place, self._sealed(opened, entry.name, place, origin), origin,
                         value.changed)  # fmt: skip
                    touched += 1
                if touched:
                    _remember(do, entry.name, entry.version, editor, f"sealed {touched} value(s) with another key")
                count += touched
            return count

        return await self._store.write(work)

    async def _write(self, name: str, document: Mapping[str, Any], editor: Editor, *, version: int) -> Entry:
        instructions = taken_apart(document)
        if (instructions.given or instructions.removed) and not editor.secrets:
            raise NotAllowedError("you may not set secured values; leave them out, and they stay as they are")
        text = json.dumps(instructions.document, ensure_ascii=False)
        if len(text) > _MAX_DOCUMENT:
            raise ProviderError(f"the provider is larger than {_MAX_DOCUMENT:,} characters")

        def work(do: Transaction) -> Entry:
            before = _find(do, name, locked=True)
            _check_version(name, before, version)
            if not editor.secrets:
                _check_named(before, instructions.document)
            rows = _values(do, name) if before is not None else {}
            provider_of(instructions.document, name=name)  # a wrong shape says nothing of where values would go
            remaining, dropped = _remaining_rows(rows, instructions)
            # Kept and new values together must be complete; neither is read here.
            stand_in = {place: Secret("x") for place in (*remaining, *instructions.given)}
            provider_of(with_values(instructions.document, stand_in), name=name)
            self._replace_values(do, name, instructions, remaining)
            after = (before.version if before is not None else _last_version(do, name)) + 1
            do.change(
                "INSERT INTO providers (name, document, version, changed, who) "
                "VALUES (:name, :document, :version, :now, :who) ON CONFLICT (name) DO UPDATE SET "
                "document = excluded.document, version = excluded.version, changed = excluded.changed, "
                "who = excluded.who",
                {"name": name, "document": text, "version": after, "now": do.now(), "who": editor.name},
            )
            what = described_change(before.document if before is not None else None, instructions.document)
            what += "".join(f"; set {_dotted(place)}" for place in instructions.given)
            what += "".join(f"; removed {_dotted(place)}" for place in sorted(instructions.removed))
            what += "".join(f"; dropped {_dotted(place)}, since its address changed" for place in dropped)
            _remember(do, name, after, editor, what)
            entry = _find(do, name)
            assert entry is not None  # noqa: S101 - it was just written
            return replace(entry, dropped=tuple(dropped))

        return await self._store.write(work)

    def _replace_values(
        self, do: Transaction, name: str, instructions: Instructions, remaining: Mapping[Place, _Row]
    ) -> None:
        do.change("DELETE FROM provider_values WHERE provider = :name", {"name": name})
        for place, row in remaining.items():
            _put(do, name, place, row.sealed, row.origin, row.changed)
        for place, value in instructions.given.items():
            origin = origin_of(instructions.document, place[0])
            _put(do, name, place, self._sealed(value, name, place, origin), origin, do.now())

    def _sealed(self, value: str, name: str, place: Place, origin: str) -> str:
        if _is_name(value):
            return value
        try:
            return self._sealer.seal(value, name, *place, origin)
        except SealError as error:
            raise ProviderError(f"environments.{_dotted(place)}: {error}") from None

    def _opened(self, row: _Row, name: str, place: Place, origin: str) -> Secret | str:
        """Returns the value; if it was sealed for another address than the document's, it cannot be opened."""
        if _is_name(row.sealed):
            return row.sealed
        value = self._sealer.open(row.sealed, name, *place, origin)
        # A text around a secret's name is resolved where it is used.
        return value if refers(value) else Secret(value)

    def _opened_or_refused(self, row: _Row, name: str, place: Place, origin: str) -> str:
        try:
            opened = self._opened(row, name, place, origin)
        except SealError as error:
            raise PermanentError("PROVIDER_KEY_MISSING", f"{name}: environments.{_dotted(place)}: {error}") from None
        return opened.reveal() if isinstance(opened, Secret) else opened


_CHANGED = "it was changed meanwhile; read it again and change the new version"
_BROKEN = "its row in the database is not JSON; delete it and make it anew"


def _is_name(stored: str) -> bool:
    """Returns whether a stored value only names a secret; any other text, one around a secret's name too, is sealed."""
    return secret_name(stored) is not None


def _check_named(before: Entry | None, document: Mapping[str, Any]) -> None:
    """Refuses a change by which a secret named in an address or an option would be sent elsewhere.

    Raises:
        NotAllowedError: A new or changed environment names a secret.
    """
    known = {} if before is None else before.document.get("environments") or {}
    environments = document.get("environments")
    for name, environment in (environments if isinstance(environments, dict) else {}).items():
        if _names_secrets(environment) and environment != known.get(name):
            raise NotAllowedError(
                f"environments.{str(name)[:64]}: names a secret, and you may not set secured values; leave it as it "
                "is, or let an operator change it"
            )


def _names_secrets(value: Any) -> bool:
    if isinstance(value, str):
        return bool(refers(value))
    if isinstance(value, Mapping):
        return any(_names_secrets(item) for item in value.values())
    return isinstance(value, list) and any(_names_secrets(item) for item in value)


def _check_version(name: str, before: Entry | None, version: int) -> None:
    if version == 0 and before is not None:
        raise ProviderConflictError(f"there already is a provider {name}; change it, or choose another name", before)
    if version != 0 and before is None:
        raise ProviderUnknownError(name)
    if before is not None and before.version != version:
        raise ProviderConflictError(_CHANGED, before)


def _remaining_rows(rows: Mapping[Place, _Row], instructions: Instructions) -> tuple[dict[Place, _Row], list[Place]]:
    """Returns which values stay, and which are dropped because they would be sent elsewhere or less protected."""
    remaining: dict[Place, _Row] = {}
    dropped: list[Place] = []
    for place, row in rows.items():
        gone = place[0] not in (instructions.document.get("environments") or {})
        if gone or place in instructions.removed or place in instructions.given:
            continue
        if row.origin == origin_of(instructions.document, place[0]):
            remaining[place] = row
        else:
            dropped.append(place)
    return remaining, dropped


def _dotted(place: Place) -> str:
    return ".".join(place)


def _values(do: Transaction, name: str) -> dict[Place, _Row]:
    query = "SELECT environment, field, sealed, origin, changed FROM provider_values WHERE provider = :name"
    return {
        (str(environment), str(path)): _Row(str(sealed), str(origin), float(changed))
        for environment, path, sealed, origin, changed in do.rows(query, {"name": name})
    }


def _put(do: Transaction, name: str, place: Place, sealed: str, origin: str, changed: float) -> None:
    do.change(
        "INSERT INTO provider_values (provider, environment, field, sealed, origin, changed) "
        "VALUES (:name, :environment, :field, :sealed, :origin, :changed) "
        "ON CONFLICT (provider, environment, field) DO UPDATE SET sealed = excluded.sealed, origin = excluded.origin, "
        "changed = excluded.changed",
        {
            "name": name,
            "environment": place[0],
            "field": place[1],
            "sealed": sealed,
            "origin": origin,
            "changed": changed,
        },
    )


def _find(do: Transaction, name: str, *, locked: bool = False) -> Entry | None:
    query = "SELECT name, document, version, changed, who FROM providers WHERE name = :name"
    rows = do.rows_locked(query, {"name": name}) if locked else do.rows(query, {"name": name})
    return _entry(do, rows[0]) if rows else None


def _entry(do: Transaction, row: Any) -> Entry:
    name, document, version, changed, who = row
    secured = {
        place: SecuredValue(value.changed, value.sealed if _is_name(value.sealed) else "")
        for place, value in _values(do, str(name)).items()
    }
    try:
        found, is_broken = _document(str(document)), False
    except ValueError:
        found, is_broken = {}, True
    return Entry(str(name), found, int(version), float(changed), str(who), secured, is_broken=is_broken)


def _document(text: str) -> dict[str, Any]:
    """Reads a row's document.

    Raises:
        ValueError: It is not a JSON object.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - as what json raises
    return document


def _last_version(do: Transaction, name: str) -> int:
    rows = do.rows("SELECT COALESCE(MAX(version), 0) FROM provider_history WHERE provider = :name", {"name": name})
    return int(rows[0][0])


def _remember(do: Transaction, name: str, version: int, editor: Editor, what: str) -> None:
    do.change(
        "INSERT INTO provider_history (provider, version, at, who, what) VALUES (:name, :version, :at, :who, :what) "
        "ON CONFLICT (provider, version, at) DO NOTHING",
        {"name": name, "version": version, "at": do.now(), "who": editor.name, "what": what[:2000]},
    )
    rows = do.rows("SELECT at FROM provider_history WHERE provider = :name ORDER BY at DESC", {"name": name})
    if len(rows) > _MAX_HISTORY:
        do.change(
            "DELETE FROM provider_history WHERE provider = :name AND at < :at",
            {"name": name, "at": rows[_MAX_HISTORY - 1][0]},
        )
