"""Resolving: raw inputs and the places where placeholders may stand go in, inputs with values come out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from zeebe_connectors.config.secrets.mask import Mask
from zeebe_connectors.config.secrets.providers import SecretProvider
from zeebe_connectors.sdk.errors import InputError, TransientError
from zeebe_connectors.sdk.fields import SecretPlaces

# A name holds no braces, so that text full of openings is searched in linear time.
_BRACES = re.compile(r"\{\{\s*secrets\.([^\s{}]+)\s*\}\}")
_BARE = re.compile(r"\s*secrets\.((?:[a-zA-Z0-9]+[/._-])*[a-zA-Z0-9]+)\s*")


class SecretResolver:
    """Replaces placeholders by values.

    Args:
        providers: Asked in order.
        log_mask: Learns every value that is ever used, for the log.
    """

    def __init__(self, providers: Sequence[SecretProvider], *, log_mask: Mask | None = None) -> None:
        self._providers = providers
        self._log_mask = log_mask

    async def resolve(  # noqa: D417 - tenant and process are explained at SecretProvider
        self, value: Any, places: SecretPlaces, *, mask: Mask, tenant: str = "", process: str = ""
    ) -> Any:
        """The value with the placeholders in the named places replaced; each used value is added to the mask.

        Args:
            value: JSON value as it came with the job.
            places: Where placeholders may stand.
            mask: Collects the values.

        Raises:
            InputError: `SECRET_NOT_FOUND` when no provider knows a name.
            TransientError: `SECRET_PROVIDER_FAILED` when one could not be asked.
        """
        names: dict[str, None] = {}
        _walk(value, places, lambda text: _collect(text, names))
        if not names:
            return value
        values = {name: await self._value(name, tenant, process) for name in names}
        for found in values.values():
            mask.add(found)
            if self._log_mask is not None:
                self._log_mask.add(found)
        return _walk(value, places, lambda text: _replace(text, values))

    async def _value(self, name: str, tenant: str, process: str) -> str:
        for provider in self._providers:
            try:
                found = await provider.get(name, tenant=tenant, process=process)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                # Its words may hold credentials of its own, which no mask knows.
                kind = type(provider).__name__
                raise TransientError(
                    "SECRET_PROVIDER_FAILED",
                    f"The secret provider {kind} could not be asked for '{name}' ({type(error).__name__}); look "
                    "whether what it reads from can be reached",
                ) from None
            if found is not None:
                return found
        raise InputError(
            f"Secret with name '{name}' is not available; define it where the runtime looks for secrets "
            "(by default the environment variable SECRET_" + re.sub(r"[^A-Za-z0-9_]", "_", name) + ") or correct the "
            "name in the task",
            code="SECRET_NOT_FOUND",
        )


def _collect(text: str, names: dict[str, None]) -> str:
    bare = _BARE.fullmatch(text)
    if bare:
        names[bare[1]] = None
    else:
        for match in _BRACES.finditer(text):
            names[match[1]] = None
    return text


def _replace(text: str, values: Mapping[str, str]) -> str:
    bare = _BARE.fullmatch(text)
    if bare:
        return values[bare[1]]
    return _BRACES.sub(lambda match: values[match[1]], text)


def _walk(value: Any, places: SecretPlaces, change: Any) -> Any:
    """Applies `change` to every text in the named places; what is not touched stays the same object."""
    if isinstance(value, str):
        return change(value) if places.everywhere and "secrets." in value else value
    if isinstance(value, dict):
        if places.everywhere:
            return {change(k) if "secrets." in k else k: _walk(v, places, change) for k, v in value.items()}
        if not places.below:
            return value
        mended = None
        for name, item in value.items():
            place = places.below.get(name) or places.below.get("*")
            if place is not None:
                new = _walk(item, place, change)
                if new is not item:
                    mended = dict(value) if mended is None else mended
                    mended[name] = new
        return value if mended is None else mended
    if isinstance(value, list):
        place = places if places.everywhere else places.below.get("*")
        return value if place is None else [_walk(item, place, change) for item in value]
    return value
