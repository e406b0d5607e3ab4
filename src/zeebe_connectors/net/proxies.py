"""Choose the proxy that a request goes through, by the operator's settings or a provider's own."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from zeebe_connectors.net.setting_values import whole_number
from zeebe_connectors.sdk.text import items_of


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy for one kind of target."""

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of all targets."""

    by_scheme: Mapping[str, Proxy] = field(default_factory=dict)
    """By the target's scheme, `http` or `https`."""
    direct: Sequence[str] = ()
    """Host patterns that are called without a proxy."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Self:
        """Reads the settings `CONNECTOR_HTTP_PROXY_…`, `CONNECTOR_HTTPS_PROXY_…` and the hosts without a proxy.

        Raises:
            InputError: A port has an unusable value; the message names its setting.
        """
        by_scheme = {}
        for scheme in ("http", "https"):
            prefix = f"CONNECTOR_{scheme.upper()}_PROXY_"
            host, port = env.get(prefix + "HOST", "").strip(), env.get(prefix + "PORT", "").strip()
            if host and port:
                own = env.get(prefix + "SCHEME", "").strip() or "http"
                by_scheme[scheme] = Proxy(
                    f"{own}://{host}:{whole_number(port, prefix + 'PORT', 65535)}",
                    env.get(prefix + "USER", ""),
                    env.get(prefix + "PASSWORD", ""),
                )
        return cls(by_scheme, tuple(items_of(env.get("CONNECTOR_HTTP_NON_PROXY_HOSTS", ""), "|")))

    @classmethod
    def only(cls, proxy: Proxy) -> Self:
        """Returns this proxy for every target."""
        return cls({"http": proxy, "https": proxy})

    def proxy_for(self, scheme: str, host: str) -> Proxy | None:
        """Returns the proxy through which a host is called, or None for directly."""
        proxy = self.by_scheme.get(scheme)
        if proxy is None or any(fnmatch.fnmatchcase(host.lower(), pattern.lower()) for pattern in self.direct):
            return None
        return proxy
