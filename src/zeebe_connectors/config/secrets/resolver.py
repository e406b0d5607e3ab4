"""Replace the placeholders of secrets by their values, in the places that are given, and say which ones stay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, Self

from zeebe_connectors.config.secrets.lookup import SecretProvider
from zeebe_connectors.config.secrets.mask import Mask
from zeebe_connectors.config.secrets.placeholders import BARE, BRACES, MARK, slips
from zeebe_connectors.config.secrets.uses import JobSecrets, SecretUses
from zeebe_connectors.sdk.errors import InputError, TransientError

_MAX_UNRESOLVED = 20
_SHORT = 100
"""Characters of a text whose placeholders are remembered."""
_SHOWN = 60


class Places(Protocol):
    """Where in raw input placeholders may resolve: one node of a tree by wire names."""

    @property
    def whole(self) -> bool:
        """Whether a placeholder must be the whole value here."""
        ...

    def at(self, name: str) -> Self | None:
        """Returns the place of a part; None where nothing resolves."""
        ...

    def item(self) -> Self | None:
        """Returns the place of a list's items."""
        ...

    def allows(self, name: str) -> bool:
        """Returns whether this secret resolves in a text here."""
        ...


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A placeholder that was not resolved.

    Args:
        field: Where it stands.
        name: The secret's name; what is written if it is a slip.
        is_slip: Whether it is only meant as a placeholder: see `slips`.
    """

    field: str
    name: str
    is_slip: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """A value whose placeholders were replaced by secrets.

    Args:
        value: The value; the same object where nothing was replaced.
        unresolved: The placeholders that stay as text, up to twenty.
    """

    value: Any
    unresolved: Sequence[Unresolved] = ()


class SecretResolver:
    """Replaces placeholders by values.

    Args:
        providers: Asked in order.
        log_mask: Learns every value that is ever used, for the log.
        uses: The operator's rules for secrets.
    """

    def __init__(
        self, providers: Sequence[SecretProvider], *, log_mask: Mask | None = None, uses: SecretUses | None = None
    ) -> None:
        self._providers = providers
        self._log_mask = log_mask
        self.uses = uses or SecretUses()

    def custody(self, mask: Mask, *, process: str = "", element: str = "") -> JobSecrets:
        """Makes the keeper of the secrets of one job or source.

        Args:
            mask: Learns their values.
            process: BPMN process id.
            element: Id of the element, or name of the source.
        """
        return JobSecrets(mask, self.uses, process=process, element=element, log_mask=self._log_mask)

    async def resolve(  # noqa: D417 - tenant and process are explained at SecretProvider
        self,
        value: Any,
        places: Places,
        *,
        mask: Mask,
        tenant: str = "",
        process: str = "",
        custody: JobSecrets | None = None,
    ) -> Resolved:
        """Replaces the placeholders in the named places, and says which ones stay; each used value joins the mask.

        Args:
            value: JSON value as it came with the job.
            places: Where placeholders may stand.
            mask: Collects the values.
            custody: Collects them too, by name; one of its own when left out.

        Raises:
            InputError: `SECRET_NOT_FOUND` when no provider knows a name, `SECRET_PROCESS_FORBIDDEN`.
            TransientError: `SECRET_PROVIDER_FAILED` when one could not be asked.
        """
        marked: list[_Marked] = []
        in_names = False
        if isinstance(value, (dict, list)):
            in_names = _find(value, places, (), marked)
        elif isinstance(value, str):
            marked.append((value, places, ()))
        names, unresolved = _wanted(marked)
        if not names:
            return Resolved(value, unresolved)
        custody = custody or self.custody(mask, process=process)
        values: dict[str, str] = {}
        for name in names:
            values[name] = await self.value(name, tenant=tenant, process=process)
        for name, found in values.items():
            if custody.mask is not mask:
                mask.add(found)
            custody.resolved(name, found)
        if in_names:
            return Resolved(_with_names(value, places, values, is_top=True), unresolved)
        texts = [(_replaced(text, place, values), way) for text, place, way in marked if place is not None]
        return Resolved(_with_texts(value, texts), unresolved)

    async def value(self, name: str, *, tenant: str = "", process: str = "") -> str:
        """Returns the value of one secret.

        Raises:
            InputError: As `resolve`.
            TransientError: As `resolve`.
        """
        for provider in self._providers:
            try:
                found = await provider.get(name, tenant=tenant, process=process)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                # Its words may hold credentials of its own, which no mask knows.
                kind = type(provider).__name__
                raise TransientError(
                    "SECRET_PROVIDER_FAILED",
                    f"The secret provider {kind} could not be asked for '{name}' ({type(error).__name__}); check that "
                    "what it reads from can be reached",
                ) from None
            if found is not None:
                return found
        raise InputError(
            f"Secret with name '{name}' is not available; define it where the runtime looks for secrets "
            "(by default the environment variable SECRET_" + re.sub(r"[^A-Za-z0-9_]", "_", name) + ") or correct the "
            "name in the task",
            code="SECRET_NOT_FOUND",
        )


def _placeholders(text: str) -> Sequence[tuple[str, bool]]:
    """Returns the names in a text, and whether the placeholder is the whole text."""
    if MARK not in text:
        return ()
    return _known_placeholders(text) if len(text) <= _SHORT else _found_placeholders(text)


def _slips(text: str) -> Sequence[str]:
    """Returns what was meant as a placeholder in a text but is none."""
    return _known_slips(text) if len(text) <= _SHORT else slips(text)


@lru_cache(maxsize=1024)
def _known_slips(text: str) -> Sequence[str]:
    """Finds the slips of a short text; cached."""
    return slips(text)


@lru_cache(maxsize=1024)
def _known_placeholders(text: str) -> Sequence[tuple[str, bool]]:
    """Finds the placeholders of a short text; cached, as a text that is only a placeholder comes with every job."""
    return _found_placeholders(text)


def _found_placeholders(text: str) -> Sequence[tuple[str, bool]]:
    if bare := BARE.fullmatch(text):
        return [(bare[1], True)]
    found = BRACES.findall(text)
    return [(name, len(found) == 1 and BRACES.fullmatch(text.strip()) is not None) for name in found]


def _replaced(text: str, place: Places, values: Mapping[str, str]) -> str:
    for name, is_whole in _placeholders(text):
        if is_whole:
            return values[name] if place.allows(name) and name in values else text
    if place.whole:
        return text

    def one(match: re.Match[str]) -> str:
        name = match[1]
        return values[name] if name in values and place.allows(name) else match[0]

    return BRACES.sub(one, text)


_Way = tuple[str | int, ...]
"""Names and positions that lead from the top of a value to a part of it."""
_Marked = tuple[str, "Places | None", _Way]
"""A text that may hold placeholders, the place where it stands, and the way to it."""


def _find(value: dict[str, Any] | list[Any], place: Places | None, way: _Way, found: list[_Marked]) -> bool:
    """Collects the texts that may hold placeholders; returns whether one is the name of an entry."""
    if isinstance(value, list):
        return _find_in_list(value, place, way, found)
    in_names = False
    for name, item in value.items():
        kind = type(item)
        if kind is str:
            if MARK in item or "{{" in item:  # asking for a place takes longer than reading most texts
                found.append((item, place and place.at(name), (*way, name)))
        elif (kind is dict or kind is list or isinstance(item, (dict, list))) and _find(
            item, place and place.at(name), (*way, name), found
        ):
            in_names = True
        if way and MARK in name:
            in_names = True
            found.append((name, place, way))
    return in_names


def _find_in_list(value: list[Any], place: Places | None, way: _Way, found: list[_Marked]) -> bool:
    in_names = False
    below = place and place.item()
    for index, item in enumerate(value):
        if isinstance(item, str):
            if MARK in item or "{{" in item:
                found.append((item, below, (*way, index)))
        elif isinstance(item, (dict, list)) and _find(item, below, (*way, index), found):
            in_names = True
    return in_names


def _wanted(marked: list[_Marked]) -> tuple[dict[str, None], list[Unresolved]]:
    """Returns the names of the secrets that resolve, and the placeholders that stay, up to twenty."""
    names: dict[str, None] = {}
    unresolved: list[Unresolved] = []
    for text, place, way in marked:
        for name, is_whole in _placeholders(text):
            if place is not None and place.allows(name) and (is_whole or not place.whole):
                names[name] = None
            elif len(unresolved) < _MAX_UNRESOLVED:
                unresolved.append(Unresolved(_path(way)[:_SHOWN], name[:_SHOWN]))
        shown = _slips(text)[: _MAX_UNRESOLVED - len(unresolved)]
        unresolved += [Unresolved(_path(way)[:_SHOWN], written[:_SHOWN], is_slip=True) for written in shown]
    return names, unresolved


def _path(way: _Way) -> str:
    """Writes a path in words, with positions counted from 1."""
    return "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in way).removeprefix(".")


def _with_texts(value: Any, texts: list[tuple[str, _Way]]) -> Any:
    """Returns a value with other texts at some paths; parts that do not change stay the same objects."""
    if not texts:
        return value
    if not texts[0][1]:
        return texts[0][0]
    top = value.copy()
    copied: dict[_Way, Any] = {}
    for text, way in texts:
        inside = top
        for depth in range(1, len(way)):
            part = copied.get(way[:depth])
            if part is None:
                part = copied[way[:depth]] = inside[way[depth - 1]].copy()
                inside[way[depth - 1]] = part
            inside = part
        inside[way[-1]] = text
    return top


def _with_names(value: Any, place: Places | None, values: Mapping[str, str], *, is_top: bool) -> Any:
    """Replaces the placeholders of a value, those in the names of entries too, except in the inputs' own names."""
    if place is None:
        return value
    if isinstance(value, str):
        return _replaced(value, place, values)
    if isinstance(value, dict):
        return {
            name if is_top else _replaced(name, place, values): _with_names(
                item, place.at(name) if isinstance(item, (str, dict, list)) else None, values, is_top=False
            )
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_with_names(item, place.item(), values, is_top=False) for item in value]
    return value
