"""Check a provider's environment before tasks use it: address, secrets, connection and login; for operators."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from zeebe_connectors.config.providers import AddressError, Provider
from zeebe_connectors.config.providers.addresses import filled_host, filled_url, placeholders
from zeebe_connectors.config.providers.logins import logins, own_word
from zeebe_connectors.config.providers.model import OVER_HTTP, SECURITY
from zeebe_connectors.config.providers.names import KNOWN, installed_names
from zeebe_connectors.config.providers.operations import problems_of
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.net import custody
from zeebe_connectors.net.connect import checked_resolver, connect_error, connected, is_loopback
from zeebe_connectors.runtime.ledger import SqliteStore, Store
from zeebe_connectors.runtime.providers.directory import Known
from zeebe_connectors.runtime.providers.filling import address_of, authentication_of, kind_of, plan_of, signs_in
from zeebe_connectors.runtime.providers.using import Providers, environment_document
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.context import Context, Job
from zeebe_connectors.sdk.errors import ConnectorError, InputError
from zeebe_connectors.sdk.fields import explain, read_input
from zeebe_connectors.sdk.provided import VALUES, ProviderPlace
from zeebe_connectors.sdk.registry import Registry

if TYPE_CHECKING:  # the services hold the providers
    from zeebe_connectors.runtime.services import Services

PATIENCE = 15.0
"""Seconds for checking one environment."""
_OF_ADDRESS = frozenset({"database", "path", "scheme"})
"""Options that an address without them is completed with."""
Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Args:
        what: `address`, `operations`, `secrets`, `connection`, `login` or `rules`.
        verdict: The result.
        text: The result in words, with the remedy; without any secured value.
    """

    what: str
    verdict: Verdict
    text: str


async def check(
    providers: Providers,
    known: Known,
    environment: str,
    *,
    services: Services,
    store: Store | None = None,
    connect: bool = True,
) -> list[Finding]:
    """Checks one environment of a provider; returns the findings.

    Args:
        providers: Resolve its secrets and hold its clients.
        known: The provider.
        environment: Which.
        services: What connectors are handed, whose own tests are used.
        store: The runtime's database, which decides who shares usage rules.
        connect: Whether to connect; otherwise only the description is checked.
    """
    found = await asyncio.to_thread(_written, known.provider, environment, store)  # it loads every connector
    mask = Mask()
    try:
        document, values = await providers.resolved(known, environment)
    except ConnectorError as error:
        return [*found, Finding("secrets", "failed", error.message)]
    for value in values:
        mask.add(value)
    if connect and known.provider.active and not any(item.verdict == "failed" for item in found):
        clients = await providers.scoped(known, environment, document.get("proxy"))
        test = _Test(services, clients, mask)
        found += [item async for item in _reached(known.provider, document, clients, test)]
    return [Finding(item.what, item.verdict, mask.text(item.text)) for item in found]


def signs_in_unencrypted(provider: Provider, environment: str) -> bool:
    """Returns whether this environment sends credentials to another machine without encryption."""
    there = provider.environments[environment]
    security = there.security or SECURITY.get(provider.protocol, "tls")
    if (there.url or "").casefold().startswith("https:"):
        security = "tls"
    host = there.host or urlsplit(there.url or "").hostname or ""
    in_envelope = there.ws_security.get("password") and str(there.ws_security.get("encoded", "No")) != "Yes"
    return security == "none" and bool(signs_in(there.authentication) or in_envelope) and not is_loopback(host)


def _written(provider: Provider, environment: str, store: Store | None) -> list[Finding]:
    found: list[Finding] = []
    if not provider.active:
        found.append(Finding("address", "warning", "the provider is switched off; its tasks become incidents"))
    if signs_in_unencrypted(provider, environment):
        found.append(Finding("address", "warning", "credentials go unencrypted; use TLS outside a trusted network"))
    found += _unread(provider, environment)
    found += [Finding("operations", "warning", text) for text in problems_of(provider, Registry.installed().outbound)]
    rules = provider.rules
    if rules is not None and rules.enabled:
        shared = store is not None and not isinstance(store, SqliteStore)
        if not shared and rules.share_of == 1:
            text = "the rules apply to the runtimes on this machine; replicas elsewhere need a common database "
            found.append(
                Finding("rules", "warning", text + "(ZEEBE_CONNECTORS_LEDGER), or shareOf: the number of replicas")
            )
        if shared and rules.share_of > 1:
            text = "replicas already share the rules through the database, and each takes only its part of them"
            found.append(Finding("rules", "warning", text + "; remove shareOf"))
        if rules.max_concurrent is not None and rules.max_concurrent < rules.share_of:
            text = (
                f"each of {rules.share_of} replicas may have one request in progress, which is more than maxConcurrent "
            )
            found.append(Finding("rules", "warning", text + "in all; use a common database, or fewer replicas"))
    return found


def _unread(provider: Provider, environment: str) -> Iterator[Finding]:
    """Yields a finding for each name that no connector of the protocol reads, and which therefore has no effect."""
    read = installed_names(provider.protocol)
    document = environment_document(provider, environment)
    yield from _login(provider, document["authentication"], read["authentication"])
    for section in KNOWN:
        for name in document[section].keys() - read[section] - _OF_ADDRESS - {"type"}:
            text = f"{section}.{name}: no connector for {provider.protocol} reads it; correct its name, or remove it"
            yield Finding("address", "warning", text)


def _login(provider: Provider, given: Mapping[str, Any], read: set[str]) -> Iterator[Finding]:
    """Yields a finding for a login's type that is wrong, and for each value that this type does not use."""
    if not given:
        return
    known = logins(provider.protocol)
    kind = kind_of(given)
    login = known.get(own_word(known, kind))
    if login is None:
        words = ", ".join(known) or "none that are installed"
        text = (
            f"authentication.type: no connector for {provider.protocol} signs in by {kind[:64]!r}; write one of {words}"
        )
        yield Finding("login", "failed" if known else "warning", text)
        return
    for name in sorted((given.keys() & read) - {*login.fields, "type"}):
        text = f"authentication.{name}: is not used by the type {kind}; correct the type, or remove it"
        yield Finding("login", "warning", text)


@dataclass(frozen=True, slots=True)
class _Test:
    """Lets a connector test the provider itself, as its tasks would use it.

    Args:
        services: The services for connectors.
        clients: The provider's own clients.
        mask: Knows the provider's secured values.
    """

    services: Services
    clients: ClientCache
    mask: Mask

    async def __call__(
        self, connector: Outbound, provider: Provider, document: Mapping[str, Any], values: dict[str, str]
    ) -> Finding:
        """Runs the test.

        Raises:
            ConnectorError: Tasks could not use the provider; the message says why.
        """
        data: dict[str, Any] = {**connector.test_inputs, VALUES: values}
        plan_of(connector.provider_places, provider, document).fill(data)
        context = self.context(connector.type, connector.module)
        held = self.services.secrets.custody(self.mask, process="", element="")
        try:
            given = read_input(connector.input, data)
            with custody.holding(held):
                text = await connector.as_test().call(given, context)
        except InputError as error:
            if error.code != "INVALID_INPUT":
                raise
            return Finding(
                "connection", "warning", f"not tried, because only a task supplies everything: {error.message}"
            )
        return Finding(_what(document), "ok", text)

    def context(self, type_: str, module: str) -> Context:
        """Returns what a connector is handed for its test."""
        now = time.monotonic()
        return Context(
            Job(0, type_, deadline=now + PATIENCE),
            self.clients,
            self.services.documents,
            self.services.files,
            logging.LoggerAdapter(logging.getLogger(module), {}),
            now + PATIENCE - 0.5,
            self.services.memory,
        )


def _tester(provider: Provider) -> Outbound | None:
    """Returns the connector that can test providers of this protocol; None if there is none."""
    installed = Registry.installed().outbound.values()
    return next((one for one in installed if provider.protocol in one.protocols and one.test is not None), None)


async def _reached(
    provider: Provider, document: Mapping[str, Any], clients: ClientCache, test: _Test
) -> AsyncIterator[Finding]:
    try:
        async with asyncio.timeout(PATIENCE):
            values = _sample_values(provider, document)
            if values is None:
                text = "its address has placeholders without default or choices, so it is not called"
                yield Finding("address", "warning", text)
                return
            sample = _sample(provider, document, values)
            if provider.protocol in OVER_HTTP:
                yield await _http(sample, document, test.context("check", __name__))
            elif (connector := _tester(provider)) is not None:
                yield await test(connector, provider, document, values)
            elif provider.protocol in {"coap", "coaps"}:
                yield Finding("connection", "warning", "CoAP has no connections; only a task shows whether it answers")
            else:
                yield await _server(provider, sample, document, clients)
    except TimeoutError:
        yield Finding("connection", "failed", f"no answer within {PATIENCE:.0f} s; check address and network")
    except ConnectorError as error:
        code = error.code or ""  # a status is that of a token endpoint
        is_login = code in {"401", "403"} or code.startswith("OAUTH_") or code.endswith(("AUTH_FAILED", "TOKEN_FAILED"))
        what = "login" if is_login else "connection"
        yield Finding(what, "failed", error.message)
    except AddressError as error:
        yield Finding("address", "failed", str(error))


def _what(document: Mapping[str, Any]) -> str:
    """Returns what a successful test has shown."""
    return "login" if signs_in(document.get("authentication") or {}) else "connection"


def _sample_values(provider: Provider, document: Mapping[str, Any]) -> dict[str, str] | None:
    """Returns the default or first choice of each placeholder of the address; None if one has neither."""
    values: dict[str, str] = {}
    for name in placeholders(str(document.get("url") or document.get("host") or "")):
        variable = provider.variables.get(name)
        value = (variable.default or next(iter(variable.choices), None)) if variable is not None else None
        if value is None:
            return None
        values[name] = value
    return values


def _sample(provider: Provider, document: Mapping[str, Any], values: Mapping[str, str]) -> str:
    if provider.protocol in OVER_HTTP:
        hosts = provider.dynamic_hosts
        return filled_url(str(document["url"]), provider.variables, values, hosts=hosts, protocol=provider.protocol)
    return filled_host(str(address_of(provider, document)["host"] or ""), provider.variables, values)


async def _http(url: str, document: Mapping[str, Any], context: Context) -> Finding:
    from zeebe_connectors.net.tls import ClientTls  # noqa: PLC0415 - only for those who check
    from zeebe_connectors.web import Exchange, HttpRequest, encoded_url  # noqa: PLC0415
    from zeebe_connectors.web.auth import SCHEMES, Authentication  # noqa: PLC0415
    from zeebe_connectors.web.keystore import Keystore, tls_of  # noqa: PLC0415

    place = ProviderPlace(("authentication",), "authentication", tuple(SCHEMES), "type")
    given = authentication_of(place, document.get("authentication") or {})
    try:
        scheme = TypeAdapter(Authentication).validate_python(given)
    except ValidationError as error:
        raise InputError(f"authentication: {explain(error)}") from None
    texts = document.get("tls") or {}
    keystore = read_input(Keystore, texts["keystore"]) if texts.get("keystore") else None
    tls = await tls_of(read_input(ClientTls, texts), keystore, context)
    exchange = Exchange(context, tls=tls)
    answer = await exchange.call(HttpRequest("GET", encoded_url(url)), scheme)
    if answer.status in {401, 403}:
        why = "the credentials are refused; correct them"
        if not signs_in(document.get("authentication") or {}):
            why = "it asks for a login, and the provider has none under authentication; add it"
        return Finding("login", "failed", f"answered {answer.status}: {why}")
    if answer.status == 429:
        return Finding("connection", "warning", "answered 429: it gets too many requests; rules can make them fewer")
    if answer.status >= 500:
        return Finding("connection", "warning", f"answered {answer.status}; the service itself has a fault")
    return Finding("connection", "ok", f"answered {answer.status}")


async def _server(provider: Provider, host: str, document: Mapping[str, Any], clients: ClientCache) -> Finding:
    address = address_of(provider, document)
    port = address["port"]
    if port is None:
        return Finding("address", "warning", "names no port, so it is not reached")
    if address["protocol"] in {"imap", "pop"}:
        await _mail(str(address["protocol"]), host, port, str(address["security"]), document, clients)
        what = _what(document)
        return Finding(what, "ok", f"{host}:{port} accepts {'the login' if what == 'login' else 'connections'}")
    async with _open(host, port, clients):
        return Finding("connection", "ok", f"{host}:{port} accepts connections; the login is tried by the first task")


@asynccontextmanager
async def _open(host: str, port: int, clients: ClientCache) -> AsyncIterator[None]:
    try:
        resolver = await checked_resolver(port, clients)
        _, writer = await connected(lambda one: asyncio.open_connection(one, port), host, resolver)
    except (OSError, UnicodeError) as error:
        raise connect_error("PROVIDER", host, port, error, patience=PATIENCE) from None
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def _mail(
    protocol: str, host: str, port: int, security: Any, document: Mapping[str, Any], clients: ClientCache
) -> None:
    from zeebe_connectors.mail import settings  # noqa: PLC0415 - as above
    from zeebe_connectors.net.tls import trust  # noqa: PLC0415

    trusted = str((document.get("tls") or {}).get("trustedCertificate") or "")
    given = document.get("authentication") or {}
    words = tuple(settings.LOGINS_OR_NONE)
    place = ProviderPlace(("authentication",), "authentication", words, "type")
    login_type: Any = settings.LoginOrNone
    try:
        login = TypeAdapter(login_type).validate_python(authentication_of(place, given))
    except ValidationError as error:
        raise InputError(f"authentication: {explain(error)}") from None
    tls = trust(trusted, field="tls.trustedCertificate")
    if protocol == "pop":
        from zeebe_connectors.mail.pop3 import Pop3Session  # noqa: PLC0415

        session = await Pop3Session.open(host, port, security, login=login, clients=clients, tls=tls)
        await session.quit()
    else:
        from zeebe_connectors.mail.imap import ImapSession  # noqa: PLC0415

        box = await ImapSession.open(host, port, security, login=login, clients=clients, tls=tls)
        await box.logout()
