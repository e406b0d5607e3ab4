"""Show a source's settings from its diagram or file, with secrets by name only."""

from __future__ import annotations

import re

from zeebe_connectors.admin.api.description import TypedDict, described
from zeebe_connectors.config.secrets.placeholders import cluster_secret_name, secret_name
from zeebe_connectors.runtime.inbound.sources import Watch
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.sdk.secret_places import SecretPlaces

MAX_VALUE = 500
"""Maximum characters of one value."""
_SECRET_NAME = re.compile(r"passw|secret|token|credential|authorization|api_?-?key|private|cookie|pin\b", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")


@described
class SettingOfSource(TypedDict):
    """One property of the element that a source watches for."""

    name: str
    """Name as in the diagram, such as `data.folderToListen`."""
    value: str
    """The value; empty for a secret that is not a reference."""
    secret: bool
    """Whether the value is secret; a reference such as `{{secrets.NAME}}` is shown anyway."""


def settings_of(watch: Watch, registry: Registry) -> list[SettingOfSource]:
    """Returns a source's settings, in the order of its element.

    Args:
        watch: The source.
        registry: The connectors, whose models say which inputs are secret.
    """
    connector = registry.inbound_of(watch.source.type)
    places = SecretPlaces(everywhere=True) if connector is None else connector.secret_inputs
    found: list[SettingOfSource] = []
    for name, value in watch.source.elements[0].properties.items():
        for path, text in _leaves(name, value):
            is_reference = _is_reference(text)
            hidden = (
                bool(text) and not is_reference and (_is_secret(places, path) or _SECRET_NAME.search(path) is not None)
            )
            shown = "" if hidden else _LOGIN.sub("…@", watch.masked(text))[:MAX_VALUE]
            found.append({"name": path, "value": shown, "secret": hidden})
    return found


def _leaves(name: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [leaf for part, inner in value.items() for leaf in _leaves(f"{name}.{part}", inner)]
    if isinstance(value, list):
        return [leaf for number, inner in enumerate(value) for leaf in _leaves(f"{name}.{number}", inner)]
    return [(name, "true" if value is True else "false" if value is False else "" if value is None else str(value))]


def _is_reference(text: str) -> bool:
    """Returns whether a value, or the expression that it is, only names a secret."""
    bare = text.strip().removeprefix("=")
    return secret_name(bare) is not None or cluster_secret_name(bare) is not None


def _is_secret(places: SecretPlaces, path: str) -> bool:
    place: SecretPlaces | None = places
    for part in path.split("."):
        if place is None:
            return False
        place = place.at(part)
    return place is not None and place.everywhere
