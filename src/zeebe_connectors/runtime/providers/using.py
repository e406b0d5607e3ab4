"""Apply a provider to a job or source: check who may use it, choose its environment, fill inputs, keep its rules."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from zeebe_connectors.config.providers import Provider
from zeebe_connectors.config.providers.secured import at, revealed, secured_fields
from zeebe_connectors.config.secrets import JobSecrets, Mask, SecretResolver
from zeebe_connectors.config.secrets.placeholders import refers, secret_name
from zeebe_connectors.net.egress import RULES, NetworkRules, Reach
from zeebe_connectors.net.proxies import Proxies, Proxy
from zeebe_connectors.runtime.ledger import Store
from zeebe_connectors.runtime.limits import Busy, Limit, Waiting
from zeebe_connectors.runtime.providers.asking import Asking
from zeebe_connectors.runtime.providers.directory import Directory, Known
from zeebe_connectors.runtime.providers.filling import Plan, plan_of
from zeebe_connectors.runtime.secret_scope import EVERYWHERE
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.connector import Description
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.sdk.fields import Secret
from zeebe_connectors.sdk.provided import PROVIDER

ENVIRONMENT_SETTING = "ZEEBE_CONNECTORS_ENVIRONMENT"
_SECRETS_AGE = 5.0  # seconds after which secrets are looked up again, so that a rotated one is soon used
_MAX_PLANS = 2048
_MAX_USERS = 100
_TOO_MUCH = "429"
_SHARED = frozenset({"url", "headers"})  # to which tasks add something of their own
_SLOWING = frozenset({_TOO_MUCH, "503"})
_SOURCE_PATIENCE = 3600.0
_PAUSE = 1.0  # seconds of pause when a provider reports too many requests without saying for how long

_NEVER = float("inf")
_Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A provider's environment for one connector, its secrets resolved."""

    plan: Plan
    held: tuple[str, ...]
    """Secured values stored with the provider."""
    named: tuple[tuple[str, str], ...]
    """Name and value of the secrets that it refers to."""
    clients: ClientCache
    key: str
    expires: float

    def give(self, data: dict[str, Any], custody: JobSecrets) -> None:
        """Fills the inputs of one job or source."""
        for value in self.held:
            custody.held(value)
        for name, value in self.named:
            custody.resolved(name, value)
        self.plan.fill(data)


class Use:
    """One job's or source's use of a provider.

    Args:
        key: Provider and environment.
        clients: Clients that only users of this provider share.
        limit: Its usage rules.
        is_current: Returns whether the provider is unchanged.
    """

    def __init__(self, key: str, clients: ClientCache, limit: Limit, is_current: Callable[[], bool]) -> None:
        self.key = key
        self.clients = clients
        self.is_current = is_current
        self._limit = limit

    def enters_at_once(self) -> bool:
        """Begins one request where the rules allow it at once, as `enter` does, and returns whether they do."""
        return self._limit.enters_at_once()

    async def enter(self, process: str, *, deadline: float, waiting: Waiting | None = None) -> None:
        """Waits until the rules allow one request; `leave` must follow.

        Args:
            process: The process that it is for.
            deadline: Until when it may wait, in seconds of `time.monotonic()`.
            waiting: The connector's count of waiting jobs.

        Raises:
            Busy: It would take longer, or too many are waiting already.
        """
        await self._limit.enter(process, deadline=deadline, waiting=waiting)

    def leave(self, error: BaseException | None = None) -> None:
        """Ends the request, and keeps a pause if the provider asked for one.

        Args:
            error: Why the request failed; None if it did not.
        """
        if error is not None and isinstance(error, ConnectorError):
            delay = error.delay if isinstance(error, TransientError) else None
            if error.code in _SLOWING or delay is not None:
                self._limit.hold(_PAUSE if delay is None else delay)
        self._limit.ended("" if error is None else _failure_of(error))
        self._limit.leave()

    def named(self, error: InputError, connector: Description) -> InputError:
        """Returns the error of wrong inputs, with the provider if one of them comes from it: no form shows those.

        Args:
            error: What validation found, or the connector.
            connector: Whose inputs these are.
        """
        places = (place for place in connector.provider_places if place.is_locked and place.source not in _SHARED)
        names = "|".join(sorted({re.escape(".".join(place.path)) for place in places}))
        # A whole name, of the input or of one in it: `port` is neither in `support:` nor at the end of a sentence.
        if not names or not re.search(rf"(?<![\w.])(?:{names})(?::|\.\w)", error.message):
            return error
        text = f"{error.message}. The provider {self.key} fills this in, so the operator must correct it there"
        return InputError(text, code=error.code or InputError.CODE, variables=error.variables)

    @asynccontextmanager
    async def source_turn(self) -> AsyncIterator[None]:
        """Waits for a source's turn, however long it takes."""
        try:
            await self.enter("", deadline=time.monotonic() + _SOURCE_PATIENCE)
        except Busy as busy:
            raise TransientError(
                "PROVIDER_BUSY", "the provider's usage rules allow no poll yet", delay=busy.delay
            ) from None
        try:
            yield
        except BaseException as error:
            self.leave(error)
            raise
        self.leave()


@dataclass(frozen=True, slots=True)
class _Ready:
    prepared: _Prepared
    use: Use


def _failure_of(error: BaseException) -> str:
    """Returns the code of a failure that says something of the system and not of what was sent; empty otherwise."""
    if isinstance(error, TransientError) and error.code != _TOO_MUCH:
        return (error.code or "FAILED")[:64]
    return "TIMEOUT" if isinstance(error, TimeoutError) else ""


class Providers:
    """The providers of one runtime.

    Args:
        directory: The providers in force.
        secrets: Resolves references to secrets.
        clients: The runtime's clients.
        environment: Name of the environment in force; empty if each provider has only one.
        store: The database whose users share usage rules; None for this runtime alone.
        owner: This runtime's name among those that share.
    """

    def __init__(
        self,
        directory: Directory,
        secrets: SecretResolver,
        clients: ClientCache,
        *,
        environment: str = "",
        store: Store | None = None,
        owner: str = "",
    ) -> None:
        self.directory = directory
        self.environment = environment
        self._secrets = secrets
        self._clients = clients
        self._store = store
        self._owner = owner
        self._prepared: dict[tuple[Any, ...], _Prepared] = {}
        self._ready: dict[_Key, _Ready] = {}
        self._referring: dict[tuple[Any, ...], bool] = {}
        self._limits: dict[str, Limit] = {}
        self._users: dict[str, set[str]] = {}
        self.wanted_inactive: dict[str, tuple[float, float]] = {}
        """By name of a provider that is switched off: when it was first and last wanted, in seconds since 1970."""
        self._closing: set[asyncio.Task[None]] = set()

    def use_again(self, key: _Key, data: dict[str, Any], custody: JobSecrets) -> Use | None:
        """Does the same as `use` if the same was asked before and has not changed, but faster; returns None otherwise.

        Args:
            key: What `use` was called with.
            data: The inputs by wire name, which are changed.
            custody: Learns every secured value.
        """
        ready = self._ready.get(key)
        if ready is None:
            return None
        expires = ready.prepared.expires
        if not ready.use.is_current() or (expires != _NEVER and time.monotonic() >= expires):
            del self._ready[key]
            return None
        ready.prepared.give(data, custody)
        return ready.use

    async def use(
        self,
        wanted: Asking,
        connector: Description,
        data: dict[str, Any],
        custody: JobSecrets,
        *,
        key: _Key | None = None,
    ) -> Use:
        """Fills the inputs and returns the provider's clients and rules.

        Args:
            wanted: The request.
            connector: The connector whose inputs these are.
            data: The inputs by wire name, which are changed in place.
            custody: Learns every secured value.
            key: Everything that distinguishes answers, for `use_again`.

        Raises:
            PermanentError: `PROVIDER_UNKNOWN`, `PROVIDER_INACTIVE`, `PROVIDER_FORBIDDEN`, `PROVIDER_MISMATCH`,
                `PROVIDER_ENVIRONMENT_UNKNOWN` or `PROVIDER_CONFLICT`.
            InputError: A placeholder's value or the path is invalid; `SECRET_NOT_FOUND`.
        """
        known = self.directory.get(wanted.name)
        self._check(known, wanted, connector)
        environment = await self._environment(known, wanted)
        prepared = await self._prepare(known, environment, wanted, connector)
        users = self._users.setdefault(known.name, set())
        if wanted.process and len(users) < _MAX_USERS:
            users.add(wanted.process)
        prepared.give(data, custody)
        use = Use(
            prepared.key,
            prepared.clients,
            self.limit(known, environment),
            partial(self._is_current, known),
        )
        if key is not None and "versionTag" not in known.provider.environment_by:
            if len(self._ready) >= _MAX_PLANS:
                self._ready.clear()
            self._ready[key] = _Ready(prepared, use)
        return use

    def _is_current(self, known: Known) -> bool:
        now = self.directory.all().get(known.name)
        return now is known or (now is not None and now.revision == known.revision)

    def limit(self, known: Known, environment: str) -> Limit:
        """Returns the current rules of a provider in an environment."""
        key = f"{known.name}/{environment}"
        limit = self._limits.get(key)
        rules = known.provider.rules
        if limit is None or limit.revision != known.revision:
            before = limit
            if before is not None and before.given == rules:
                before.revision = known.revision
                return before
            limit = self._limits[key] = Limit(key, rules, store=self._store, owner=self._owner)
            limit.revision, limit.given = known.revision, rules
            if before is not None:
                limit.follow(before)
                closing = asyncio.ensure_future(before.aclose())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
        return limit

    def limits(self) -> Mapping[str, Limit]:
        """Returns the limits in use, by provider and environment."""
        return self._limits

    async def resolved(self, known: Known, environment: str) -> tuple[dict[str, Any], list[str]]:
        """Returns an environment's document with its secrets resolved to text, and every secured value, to be masked.

        Raises:
            InputError: `SECRET_NOT_FOUND`.
        """
        document = environment_document(known.provider, environment)
        used = _Names()
        resolved = await self._secrets.resolve(document, EVERYWHERE, mask=used.mask, custody=used)
        texts = dict(revealed(resolved.value))
        return texts, [*_held(document, texts), *used.values.values()]

    def used_by(self, name: str) -> list[str]:
        """Returns the BPMN processes that used a provider since the start, a hundred at most."""
        return sorted(self._users.get(name, ()))

    async def aclose(self) -> None:
        """Returns what was taken from shared budgets."""
        await self.directory.aclose()
        await asyncio.gather(*(limit.aclose() for limit in self._limits.values()), *self._closing)

    def _check(self, known: Known, wanted: Asking, connector: Description) -> None:
        name, provider = known.name, known.provider
        if not connector.protocols:
            raise PermanentError(
                "PROVIDER_MISMATCH",
                f"provider: the connector {connector.name} takes no provider; remove the header {PROVIDER}",
            )
        if not provider.active:
            now = time.time()
            self.wanted_inactive[name] = self.wanted_inactive.get(name, (now, now))[0], now
            raise PermanentError(
                "PROVIDER_INACTIVE", f"provider: {name} is switched off; ask the operator, or use another"
            )
        self.wanted_inactive.pop(name, None)
        if provider.protocol not in connector.protocols:
            raise PermanentError(
                "PROVIDER_MISMATCH",
                f"provider: {name} speaks {provider.protocol}, and the connector {connector.name} takes "
                f"{', '.join(connector.protocols)}; use another provider or another connector",
            )
        if wanted.by_hand:
            return
        if provider.processes and not any(fnmatchcase(wanted.process, pattern) for pattern in provider.processes):
            raise PermanentError(
                "PROVIDER_FORBIDDEN",
                f"provider: the process {wanted.process or '(none)'} is not among those that may use {name}; the "
                "operator can add it to the provider's processes",
            )
        if provider.tenants and wanted.tenant not in provider.tenants:
            raise PermanentError(
                "PROVIDER_FORBIDDEN",
                f"provider: the tenant is not among those that may use {name}; the operator can add it to the "
                "provider's tenants",
            )

    async def _environment(self, known: Known, wanted: Asking) -> str:
        """Chooses the environment: the task's or the version's if the provider allows it, else the runtime's."""
        name, provider = known.name, known.provider
        if wanted.environment:
            if "task" not in provider.environment_by and not wanted.by_hand:
                if wanted.environment == self.environment:
                    return self._there(known, wanted.environment)
                raise PermanentError(
                    "PROVIDER_ENVIRONMENT_FORBIDDEN",
                    f"environment: {name} lets no task choose its environment; remove the header, or let the operator "
                    "add task to environmentBy",
                )
            return self._there(known, wanted.environment)
        if "versionTag" in provider.environment_by and not wanted.by_hand:
            tag = await wanted.version_tag()
            if tag and tag in provider.environments:
                return tag
        if self.environment:
            return self._there(known, self.environment)
        if len(provider.environments) == 1:
            return next(iter(provider.environments))
        raise PermanentError(
            "PROVIDER_ENVIRONMENT_UNKNOWN",
            f"provider: {name} has the environments {', '.join(provider.environments)}, but none is in force; the "
            f"operator sets {ENVIRONMENT_SETTING}",
        )

    @staticmethod
    def _there(known: Known, environment: str) -> str:
        if environment in known.provider.environments:
            return environment
        raise PermanentError(
            "PROVIDER_ENVIRONMENT_UNKNOWN",
            f"environment: {known.name} has no environment {environment[:64]!r}; it has "
            f"{', '.join(known.provider.environments)}",
        )

    async def _prepare(self, known: Known, environment: str, wanted: Asking, connector: Description) -> _Prepared:
        key: tuple[Any, ...] = (connector.name, known.name, environment, known.revision)
        if self._referring.get(key, False):  # a secret may differ by tenant and process
            key = (*key, wanted.tenant, wanted.process)
        prepared = self._prepared.get(key)
        if prepared is not None and time.monotonic() < prepared.expires:
            return prepared
        document = environment_document(known.provider, environment)
        if len(self._prepared) >= _MAX_PLANS:
            self._prepared.clear()
            self._referring.clear()
        refers_ = _refers(document)
        if len(key) == 4:
            self._referring[key] = refers_
            key = (*key, wanted.tenant, wanted.process) if refers_ else key
        used = _Names()
        resolved = await self._secrets.resolve(
            document, EVERYWHERE, mask=used.mask, tenant=wanted.tenant, process=wanted.process, custody=used
        )
        texts = revealed(resolved.value)
        prepared = self._prepared[key] = _Prepared(
            plan_of(connector.provider_places, known.provider, texts),
            tuple(sorted(_held(document, texts))),
            tuple(used.values.items()),
            await self.scoped(known, environment, texts.get("proxy")),
            f"{known.name}/{environment}",
            time.monotonic() + _SECRETS_AGE if refers_ else _NEVER,
        )
        return prepared

    async def scoped(self, known: Known, environment: str, proxy: Mapping[str, Any] | None) -> ClientCache:
        """Returns clients for this provider alone, which shares neither connections nor tokens with another.

        They reach what the provider's egress rules allow, within those of the runtime, through the provider's proxy.
        """
        scope: tuple[Any, ...] = ("provider", known.name, environment)
        reach = known.provider.reach
        if not proxy and reach == Reach():
            return self._clients.scoped(scope)
        own = replace(await self._clients.get(RULES, NetworkRules.from_environment), reach=reach)
        if proxy:
            password = str(proxy.get("password") or "")
            through = Proxy(str(proxy["url"]).rstrip("/"), str(proxy.get("username") or ""), password)
            own = replace(own, proxies=Proxies.only(through))
            scope = (*scope, through.url, through.user, Secret(password).fingerprint())
        return self._clients.scoped((*scope, reach), preset={RULES: own})


class _Names(JobSecrets):
    """Learns which secrets a provider refers to, and their values."""

    def __init__(self) -> None:
        super().__init__(Mask())
        self.values: dict[str, str] = {}

    def resolved(self, name: str, value: str) -> None:
        self.values[name] = value


def environment_document(provider: Provider, environment: str) -> dict[str, Any]:
    """Returns an environment as plain data, with secured values as `Secret`s."""
    found = provider.environments[environment]
    document = {
        "url": found.url,
        "host": found.host,
        "port": found.port,
        "security": found.security,
        "authentication": found.authentication,
        "wsSecurity": found.ws_security,
        "tls": found.tls,
        "options": found.options,
    }
    if found.proxy is not None:
        document["proxy"] = {
            "url": found.proxy.url,
            "username": found.proxy.username,
            "password": found.proxy.password,
        }
    return document


def _held(document: Mapping[str, Any], texts: Mapping[str, Any]) -> set[str]:
    """Returns the secured values that the provider holds itself, those around a secret's name too."""
    return {
        str(at(texts, path))
        for path, value in secured_fields(document)
        if isinstance(value, Secret) or secret_name(value) is None
    }


def _refers(value: Any) -> bool:
    if isinstance(value, str):
        return "secrets." in value and refers(value)
    if isinstance(value, Mapping):
        return any(_refers(item) for item in value.values())
    return isinstance(value, list) and any(_refers(item) for item in value)
