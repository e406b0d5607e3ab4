"""Replace the placeholders of secrets by their values, in the places that are given, and say which ones stay."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, Self

from zeebe_connectors.config.secrets.mask import Mask
from zeebe_connectors.config.secrets.providers import SecretProvider
from zeebe_connectors.config.secrets.uses import JobSecrets, SecretUses
from zeebe_connectors.sdk.errors import InputError, TransientError

# A name holds no braces, so that text full of openings is searched in linear time.
_BRACES = re.compile(r"\{\{\s*secrets\.([^\s{}]+)\s*\}\}")
_BARE = re.compile(r"\s*secrets\.((?:[a-zA-Z0-9]+[/._-])*[a-zA-Z0-9]+)\s*")
MARK = "secrets."
"""Without this in a text there is no placeholder in it."""
_MAX_LEFT = 20
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
        """The place of a part; None where nothing resolves."""
        ...

    def item(self) -> Self | None:
        """The place of a list's items."""
        ...

    def allows(self, name: str) -> bool:
        """Whether this secret resolves in a text here."""
        ...


@dataclass(frozen=True, slots=True)
class Left:
    """A placeholder that was not resolved.

    Args:
        field: Where it stands.
        name: The secret's name.
    """

    field: str
    name: str


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
        """What holds the secrets of one job or source.

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
        left: list[Left] | None = None,
    ) -> Any:
        """The value with the placeholders in the named places replaced; each used value is added to the mask.

        Args:
            value: JSON value as it came with the job.
            places: Where placeholders may stand.
            mask: Collects the values.
            custody: Collects them too, by name; one of its own when left out.
            left: Collects the placeholders that stay, up to twenty.

        Raises:
            InputError: `SECRET_NOT_FOUND` when no provider knows a name, `SECRET_PROCESS_FORBIDDEN`.
            TransientError: `SECRET_PROVIDER_FAILED` when one could not be asked.
        """
        names: dict[str, None] = {}
        remaining: list[Left] = []

        def collect(text: str, place: Places | None, path: str) -> str:
            for name, is_whole in _placeholders(text):
                if place is not None and place.allows(name) and (is_whole or not place.whole):
                    names[name] = None
                elif len(remaining) < _MAX_LEFT:
                    remaining.append(Left(path[:_SHOWN], name[:_SHOWN]))
            return text

        _walk(value, places, "", collect)
        if left is not None:
            left += remaining
        if not names:
            return value
        custody = custody or self.custody(mask, process=process)
        values = {name: await self.value(name, tenant=tenant, process=process) for name in names}
        for name, found in values.items():
            mask.add(found)
            custody.resolved(name, found)

        def replace(text: str, place: Places | None, path: str) -> str:  # noqa: ARG001 - as `collect`
            return text if place is None else _replaced(text, place, values)

        return _walk(value, places, "", replace)

    async def value(self, name: str, *, tenant: str = "", process: str = "") -> str:
        """The value of one secret.

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
    """The names in a text, and whether the placeholder is the whole text."""
    if MARK not in text:
        return ()
    return _known_placeholders(text) if len(text) <= _SHORT else _found_placeholders(text)


@lru_cache(maxsize=1024)
def _known_placeholders(text: str) -> Sequence[tuple[str, bool]]:
    """Those of a short text, which all jobs of a task have in common where it is nothing but the placeholder."""
    return _found_placeholders(text)


def _found_placeholders(text: str) -> Sequence[tuple[str, bool]]:
    if bare := _BARE.fullmatch(text):
        return [(bare[1], True)]
    found = _BRACES.findall(text)
    return [(name, len(found) == 1 and _BRACES.fullmatch(text.strip()) is not None) for name in found]


def _replaced(text: str, place: Places, values: Mapping[str, str]) -> str:
    for name, is_whole in _placeholders(text):
        if is_whole:
            return values[name] if place.allows(name) and name in values else text
    if place.whole:
        return text

    def one(match: re.Match[str]) -> str:
        name = match[1]
        return values[name] if name in values and place.allows(name) else match[0]

    return _BRACES.sub(one, text)


Change = Callable[[str, "Places | None", str], str]


def _walk(value: Any, place: Places | None, path: str, change: Change) -> Any:
    """Applies `change` to every text; what is not touched stays the same object."""
    if isinstance(value, str):
        return change(value, place, path) if MARK in value else value
    if isinstance(value, dict):
        changed = None
        for name, item in value.items():
            new, key = item, name
            if MARK in item if isinstance(item, str) else isinstance(item, (dict, list)):  # `_is_of_interest`, at once
                below = place.at(name) if place is not None else None
                new = _walk(item, below, f"{path}.{name}" if path else name, change)
            if MARK in name and path:
                key = change(name, place, path)
            if new is not item or key != name:
                changed = dict(value) if changed is None else changed
                if key != name:
                    del changed[name]
                changed[key] = new
        return value if changed is None else changed
    return _walk_list(value, place, path, change) if isinstance(value, list) else value


def _walk_list(value: list[Any], place: Places | None, path: str, change: Change) -> list[Any]:
    changed = None
    for index, item in enumerate(value):
        if _is_of_interest(item):
            below = place.item() if place is not None else None
            new = _walk(item, below, f"{path}[{index + 1}]", change)
            if new is not item:
                changed = list(value) if changed is None else changed
                changed[index] = new
    return value if changed is None else changed


def _is_of_interest(item: Any) -> bool:
    """Whether a part is worth a look: asking for its place takes longer than reading most texts."""
    return MARK in item if isinstance(item, str) else isinstance(item, (dict, list))
