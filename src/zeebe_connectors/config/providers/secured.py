"""Decide which values of a provider are secured, so that none of them is ever shown, logged or copied in clear.

Whatever is not known to be public is secured, so a scheme that is added later shows nothing by accident. So is what
holds a key or a password, whatever its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from zeebe_connectors.config.secrets.placeholders import refers
from zeebe_connectors.sdk.fields import Secret

PUBLIC = {
    "authentication": frozenset(
        {
            "type",
            "username",
            "user",
            "clientId",
            "clientAuthentication",
            "oauthTokenEndpoint",
            "tokenEndpoint",
            "scopes",
            "scope",
            "audience",
            "subject",
            "issuer",
            "algorithm",
            "realm",
            "domain",
            "workstation",
            "qop",
            "apiKeyLocation",
            "name",
            "location",
            "schemeName",
            "scheme",
            "region",
            "service",
            "account",
            "accountName",
            "tenant",
            "tenantId",
            "resource",
            "keyId",
            "accessKey",
            "accessKeyId",
            "version",
            "certificate",
            "clientCertificate",
            "knownHosts",
            "hostKey",
            "identity",
            "signatureMethod",
            "consumerKey",
            "assertionAudience",
            "expires",
            "signature",
            "authority",
        }
    ),
    "tls": frozenset(
        {"clientCertificate", "trustedCertificate", "verify", "serverName", "keystoreLocation", "keystoreType", "alias"}
    ),
    "wsSecurity": frozenset(
        {
            "authentication",
            "username",
            "encoded",
            "timestamp",
            "certificateType",
            "certificate",
            "keystoreLocation",
            "alias",
            "signatureAlgorithm",
            "digestAlgorithm",
            "encryptionParts",
            "trustedCertificates",
            "verifyReply",
            "type",
        }
    ),
    "proxy": frozenset({"url", "username"}),
    "options": None,
}
"""By section of an environment: the names of values that may be shown; None for a section that holds none secured."""


_LOCATION = "keystoreLocation"
_MAX_LOCATION = 200
"""Characters beyond which the place of a keystore is the keystore itself, in base64."""
_PASSWORD_IN_URL = re.compile(r"://[^/?#\s@:]*:[^/?#\s@]+@")


def is_secured(section: str, name: str) -> bool:
    """Returns whether a value is secured, whatever it is; see also `hides`.

    Args:
        section: Of the environment, such as `authentication`.
        name: Of the value within it; of a nested one the last part counts.
    """
    public = PUBLIC.get(section)
    return public is not None and name.rpartition(".")[2] not in public


def hides(name: str, value: object) -> bool:
    """Returns whether a value holds what must not be shown: a keystore, a private key, a password.

    Args:
        name: As for `is_secured`.
        value: Of any section.
    """
    if not isinstance(value, str) or refers(value):
        return False
    if name.rpartition(".")[2] == _LOCATION:
        return len(value) >= _MAX_LOCATION
    return "PRIVATE KEY-----" in value or _PASSWORD_IN_URL.search(value) is not None


def sealed(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Wraps every secured text of an environment in a `Secret`; a reference stays readable, as it holds no secret."""
    return {
        section: _sealed(section, value) if section in PUBLIC and isinstance(value, Mapping) else value
        for section, value in environment.items()
    }


def _sealed(section: str, value: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            found[name] = _sealed(section, item)
        elif hides(name, item):
            found[name] = Secret(item)
        elif is_secured(section, name) and isinstance(item, str | int | float) and not isinstance(item, bool):
            text = str(item)
            found[name] = text if refers(text) or not text else Secret(text)
        else:
            found[name] = item
    return found


def secured_fields(environment: Mapping[str, Any]) -> Iterator[tuple[str, Secret | str]]:
    """Yields dotted name and value of every secured field that is set: a `Secret`, or the text of a reference."""
    for section in PUBLIC:
        part = environment.get(section)
        if isinstance(part, Mapping):
            yield from _walk(section, section, part)


def _walk(section: str, path: str, part: Mapping[str, Any]) -> Iterator[tuple[str, Secret | str]]:
    for name, item in part.items():
        where = f"{path}.{name}"
        if isinstance(item, Mapping):
            yield from _walk(section, where, item)
        elif isinstance(item, Secret) or (
            isinstance(item, str) and item and (is_secured(section, name) or hides(name, item))
        ):
            yield where, item


def revealed(value: Any) -> Any:
    """Returns the value with every `Secret` as its text, for the call that needs it."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {name: revealed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [revealed(item) for item in value]
    return value


def at(environment: Mapping[str, Any], path: str) -> Any:
    """Returns the value at a dotted place; None when there is none."""
    found: Any = environment
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def put(environment: dict[str, Any], path: str, value: Any) -> None:
    """Sets the value at a dotted place; None removes it."""
    *above, last = path.split(".")
    place = environment
    for name in above:
        inner = place.get(name)
        if not isinstance(inner, dict):
            if value is None:
                return
            inner = place[name] = {}
        place = inner
    if value is None:
        place.pop(last, None)
    else:
        place[last] = value
