"""What each version of the official REST template makes of a filled form: facts of ours, without a word of theirs.

A template decides which variables and headers a job has, and whether a number comes as a number or as text. The kinds
of authentication and all else that a form fills in are the same in every version that has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_FIRST = ("basic", "bearer", "oauth-client-credentials-flow")
SCHEMES: dict[str, dict[str, Any]] = {
    "noAuth": {},
    "basic": {"username": "ann", "password": "s3cret"},
    "bearer": {"token": "t-1"},
    "apiKey": {"apiKeyLocation": "headers", "name": "X-Key", "value": "k-1"},
    "oauth-client-credentials-flow": {
        "oauthTokenEndpoint": "{base}/token",
        "clientId": "client",
        "clientSecret": "hidden",
        "clientAuthentication": "basicAuthHeader",
    },
    "oauth-refresh-token": {
        "oauthTokenEndpoint": "{base}/token",
        "clientId": "client",
        "clientSecret": "hidden",
        "refreshToken": "r-1",
    },
}
"""Each scheme's fields as the form has them, all required ones filled."""


@dataclass(frozen=True)
class Version:
    """One version of the template.

    Args:
        schemes: What the choice of authentication offers; empty when the version has no such choice.
        always: Inputs that a form has which nobody touched.
        backoff: The header `retryBackoff` of such a form.
        names_itself: Whether its tasks have the headers elementTemplateId and elementTemplateVersion.
        lower: Whether methods are written in lower case.
        fixed: The one scheme of a template that has no choice.
        catches: Whether the form has an error expression.
    """

    schemes: tuple[str, ...]
    always: dict[str, Any] = field(default_factory=dict)
    backoff: str | None = "PT0S"
    names_itself: bool = False
    lower: bool = False
    fixed: str | None = None
    catches: bool = True

    def method(self, name: str) -> str:
        return name.lower() if self.lower else name

    def inputs(self, url: str, method: str, scheme: str, **more: Any) -> dict[str, Any]:
        """A job's variables for a filled form."""
        base = url.rpartition("/")[0]
        fields = {name: value.replace("{base}", base) for name, value in SCHEMES[scheme].items()}
        login = {"authentication": {"type": scheme, **fields}} if self.schemes or self.fixed else {}
        return {"url": url, "method": self.method(method), **login, **self.always, **more}

    def headers(self, number: str) -> dict[str, str]:
        """A task's headers besides those that a test sets."""
        named = {"elementTemplateId": "io.camunda.connectors.HttpJson.v2", "elementTemplateVersion": number}
        return {**(named if self.names_itself else {}), **({"retryBackoff": self.backoff} if self.backoff else {})}


def _versions() -> dict[str, Version]:
    """All published ones; there is no 9."""
    text, number = {"connectionTimeoutInSeconds": "20"}, {"connectionTimeoutInSeconds": 20, "readTimeoutInSeconds": 20}
    first = ("noAuth", *_FIRST)
    keyed = (*first, "apiKey")
    refreshing = (*keyed, "oauth-refresh-token")
    waiting = {**text, "readTimeoutInSeconds": "20"}
    storing = {"storeResponse": False, **number}
    sparing = {**storing, "ignoreNullValues": False}
    following = {**sparing, "followRedirects": False}
    formed = {name: value for name, value in following.items() if name != "storeResponse"}
    formed["documentReturnFormat"] = {"choice": "JSON"}
    return {
        "0, without authentication": Version((), lower=True, backoff=None, catches=False),
        "0, basic": Version((), lower=True, backoff=None, catches=False, fixed="basic"),
        "0, bearer": Version((), lower=True, backoff=None, catches=False, fixed="bearer"),
        "0": Version(first, text, lower=True, backoff=None),
        "1": Version(first, text, lower=True, backoff=None),
        "2": Version(first, text, lower=True, backoff=None),
        "3": Version(first, text),
        "4": Version(first, text),
        "5": Version(keyed, text),
        "6": Version(keyed, text),
        "7": Version(keyed, {**waiting, "writeTimeoutInSeconds": "0"}),
        "8": Version(keyed, waiting),
        "10": Version(keyed, storing),
        "11": Version(keyed, storing, names_itself=True),
        "12": Version(keyed, sparing, names_itself=True),
        "13": Version(keyed, following, names_itself=True),
        "14": Version(refreshing, following, names_itself=True),
        "15": Version(refreshing, following, backoff="PT30S", names_itself=True),
        "16": Version(refreshing, following, backoff="PT30S", names_itself=True),
        "17": Version(refreshing, formed, backoff="PT30S", names_itself=True),
    }


VERSIONS = _versions()
EMPTY = {
    "headers": None,
    "queryParameters": "",
    "skipEncoding": None,
    "clientTls": {
        "clientCertificate": None,
        "clientPrivateKey": "",
        "privateKeyPassword": None,
        "trustedCertificate": "",
    },
    "authenticationConfiguration": None,
    "groupSetCookieHeaders": None,
}
"""What an engine makes of inputs that were left empty; a version reads those that it has."""
