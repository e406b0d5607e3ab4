"""Find misspelt names in the sections of a provider's environment, which would be passed over in silence.

Misspelt keys of the model itself are refused in `model.py`, those at the top of the file in `file.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from zeebe_connectors.config.providers.secured import PUBLIC
from zeebe_connectors.sdk.provided import provider_names

_SECURED: Mapping[str, frozenset[str]] = {
    "authentication": frozenset(
        {
            "accountKey",
            "claims",
            "clientSecret",
            "consumerSecret",
            "credentials",
            "key",
            "passphrase",
            "password",
            "privateKey",
            "refreshToken",
            "secretAccessKey",
            "serviceAccountKey",
            "sessionToken",
            "token",
            "tokenSecret",
            "value",
        }
    ),
    "tls": frozenset({"clientPrivateKey", "keystore", "keystorePassword", "password", "privateKeyPassword"}),
    "wsSecurity": frozenset({"keystorePassword", "password", "privateKey", "privateKeyPassword"}),
    "options": frozenset(
        {
            "active",
            "base",
            "database",
            "encoding",
            "fingerprint",
            "folder",
            "hostKey",
            "knownHosts",
            "legacyAlgorithms",
            "linksLeaveBase",
            "maxSessions",
            "path",
            "saveAttachmentsTo",
            "saveTextTo",
            "saveTo",
            "scheme",
        }
    ),
}
KNOWN: Mapping[str, frozenset[str]] = {
    section: names | (PUBLIC[section] or frozenset()) for section, names in _SECURED.items()
}
"""By section of an environment: the names that our own connectors read, and those that other products use."""
NESTED = frozenset({"claims", "keystore"})
"""Names of values that are mappings themselves."""


def check_names(section: str, given: Mapping[str, Any]) -> None:
    """Refuses a name that is close to a known one, unless an installed connector reads it.

    Args:
        section: Of an environment, under its wire name.
        given: What stands there.

    Raises:
        ValueError: The name, and the one that is probably meant.
    """
    known = KNOWN[section]
    if section == "options":
        _check_options(given)
    for name in _names(given):
        if name in known or not (near := difflib.get_close_matches(name, known, n=1, cutoff=0.75)):
            continue
        if name not in installed_names().get(section, ()):
            raise ValueError(f"{name[:64]}: is unknown; did you mean {near[0]}?")


def _check_options(given: Mapping[str, Any]) -> None:
    """Refuses a credential where nothing is secured: it would be shown to everybody."""
    for name in _names(given):
        section = next((section for section in ("authentication", "tls") if name in _SECURED[section]), None)
        if section is not None and name not in installed_names()["options"]:
            raise ValueError(f"{name}: options are not secured; move it to {section}")


def installed_names(protocol: str | None = None) -> dict[str, set[str]]:
    """Returns the names that some installed connector reads, by section.

    Args:
        protocol: Only those of connectors that take this one.
    """
    from zeebe_connectors.sdk.registry import Registry  # noqa: PLC0415 - loads every connector

    found: dict[str, set[str]] = {section: set() for section in KNOWN}
    for connector in Registry.installed().every():
        if protocol is None or protocol in connector.protocols:
            for section, names in provider_names(connector.input).items():
                found.setdefault(section, set()).update(names)
    return found


def installed_words(source: str) -> frozenset[str]:
    """Returns what inputs of installed connectors accept that a provider fills from one place.

    Args:
        source: The dotted place in an environment, such as `options.scheme`.
    """
    from zeebe_connectors.sdk.registry import Registry  # noqa: PLC0415 - loads every connector

    places = (place for connector in Registry.installed().every() for place in connector.provider_places)
    return frozenset(word.casefold() for place in places if place.source == source for word in place.words)


def _names(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        yield str(name)
        if isinstance(value, Mapping):
            yield from _names(value)
