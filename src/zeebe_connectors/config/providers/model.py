"""Describe a provider: a remote system named once, with its environments, rules and operations, for all connectors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from zeebe_connectors.config.providers.addresses import (
    PLACEHOLDER,
    AddressError,
    Kind,
    check_base,
    check_host,
    check_host_pattern,
    check_path,
    is_address,
    placeholders,
)
from zeebe_connectors.config.providers.database_urls import check_system, is_file, plain_database_url
from zeebe_connectors.config.providers.names import KNOWN, NESTED, check_names
from zeebe_connectors.config.providers.secured import is_secured
from zeebe_connectors.net.addresses import literal, plain_host
from zeebe_connectors.net.egress import Reach
from zeebe_connectors.sdk.errors import InputError

Protocol = Literal[
    "http", "https", "smtp", "smtps", "imap", "imaps", "pop", "pops", "ftp", "ftps", "ftpes", "sftp", "database",
    "coap", "coaps",
]  # fmt: skip
"""What the remote system speaks; SOAP is over http or https."""
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
OVER_HTTP = frozenset({"http", "https"})
SECURITY: Mapping[str, str] = {
    "https": "tls", "smtps": "tls", "imaps": "tls", "pops": "tls", "ftps": "tls", "ftpes": "starttls", "coaps": "tls",
    "http": "none", "sftp": "tls", "coap": "none", "ftp": "none", "smtp": "starttls",
    "imap": "starttls", "pop": "starttls",
}  # fmt: skip
"""What a protocol's name says about encryption; an environment may say something else."""
PORTS: Mapping[str, int] = {
    "smtp": 587, "smtps": 465, "imap": 143, "imaps": 993, "pop": 110, "pops": 995, "ftp": 21, "ftps": 990, "ftpes": 21,
    "sftp": 22, "coap": 5683, "coaps": 5684,
}  # fmt: skip
"""What is taken where an environment names no port."""
DEFAULT_PER_SECOND = 5.0
"""Requests a second of a provider with rules and no number."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_POP3 = re.compile(r"^pop3(s?)://", re.IGNORECASE)
_WITH_PATH = frozenset({"database", "ftp", "ftps", "ftpes", "sftp", "imap", "imaps"})
"""Protocols besides HTTP whose URL may have a path: the database, the base folder or the mailbox's folder."""
_OLDER = {"rdcp": "database", "rdcp://": "database", "pop3": "pop", "pop3s": "pops"}


def _no_truth_value(value: object) -> object:
    """Refuses true, which would be read as the number one."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - what the library makes an error of the field
    return value


_NUMBER = BeforeValidator(_no_truth_value)
_Port = Annotated[int, Field(ge=1, le=65535), _NUMBER]


def without_tls(protocol: str) -> str:
    """Returns the name of a mail protocol without its `s`, as connectors say it; other protocols as they are."""
    return protocol.removesuffix("s") if protocol in {"smtps", "imaps", "pops"} else protocol


class ProviderError(InputError):
    """A provider is described wrongly; the message names the field, the reason and the remedy, and no value."""

    def __init__(self, message: str, *, path: Sequence[str | int] = ()) -> None:
        super().__init__(message, code="PROVIDER_INVALID")
        self.path = tuple(path)
        """Where in the document the fault is."""


class _Strict(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,
        extra="forbid",
        hide_input_in_errors=True,
        frozen=True,
    )

    def __repr_args__(self) -> Any:
        """Prints no value: an address may hold credentials."""
        return ()


class Variable(_Strict):
    """A placeholder of an address or a path, which the task fills."""

    kind: Kind | None = None
    """What may be filled in; when left out, one label in the host, one segment in the path, one value in the query."""
    description: str = ""
    """For the modeler."""
    default: str | None = None
    """Used when the task gives nothing."""
    choices: list[str] = Field(default=[])
    """The only values that are taken."""

    @model_validator(mode="after")
    def _default_fits(self) -> Self:
        if self.default is not None and self.choices and self.default not in self.choices:
            raise ValueError("default: must be one of the choices")
        return self


class Proxy(_Strict):
    """The forward proxy through which an environment is reached."""

    url: Annotated[str, Field(pattern=r"^https?://[^@/\s]+/?$")]
    """Such as http://proxy.example.com:3128, without user and password."""
    username: str = ""
    """For a proxy that asks for one."""
    password: Any = None
    """Secured."""

    @field_validator("password")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        if isinstance(value, bool | list | Mapping):
            raise ValueError("must be text; put it in quotes")  # noqa: TRY004 - as above
        return value


class Environment(_Strict):
    """One environment of a provider: where it is there, and how to sign in."""

    url: str | None = None
    """Base address, such as https://erp.example.com/api/; with placeholders `${name}` where the task fills in."""
    host: str | None = None
    """Name or address, for a protocol that has no URL."""
    port: _Port | None = None
    """When left out, the protocol's own."""
    security: Literal["tls", "starttls", "none"] | None = None
    """When left out, what the protocol's name says."""
    authentication: dict[str, Any] = Field(default={})
    """How to sign in: `type`, and the fields of that type under the names that the connectors' forms give them."""
    ws_security: dict[str, Any] = Field(default={})
    """For SOAP: what the envelope's security header holds, under the names of the SOAP form; `authentication` tells its
    kind."""
    tls: dict[str, Any] = Field(default={})
    """Client certificate and whom to trust, under the names of the REST form: `clientCertificate`, `clientPrivateKey`,
    `privateKeyPassword`, `trustedCertificate`."""
    proxy: Proxy | None = None
    """When left out, the runtime's own settings apply."""
    options: dict[str, Any] = Field(default={})
    """Values that tasks need not give: `database`, `folder`, … by the names of the connectors' inputs."""

    @field_validator("authentication", "ws_security", "tls", "options")
    @classmethod
    def _known_names(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        name = info.field_name or ""
        section = cls.model_fields[name].alias or name
        check_names(section, value)
        _check_texts(section, value)
        _check_kind(section, value)
        return value

    @field_validator("url", mode="before")
    @classmethod
    def _as_url(cls, value: object) -> object:
        """Reads JDBC's and the older `rdcp:` addresses of databases, and `pop3://`, as URLs."""
        if not isinstance(value, str):
            return value
        return _POP3.sub(r"pop\1://", plain_database_url(value))


def _check_texts(section: str, value: Mapping[str, Any]) -> None:
    """Refuses what no secured value is, such as the list or context that YAML makes of a text without quotes.

    Raises:
        ValueError: The name, and the remedy.
    """
    for name, given in value.items():
        if name in NESTED and isinstance(given, Mapping):
            if name == "keystore":
                _check_texts(section, given)
        elif is_secured(section, name) and (
            isinstance(given, bool | list) or (isinstance(given, Mapping) and name in KNOWN[section])
        ):
            raise ValueError(f"{name[:64]}: must be text; put it in quotes")


def _check_kind(section: str, value: Mapping[str, Any]) -> None:
    """Refuses a login that does not say its kind: it would be none, and nobody would notice.

    Raises:
        ValueError: The name, and the remedy.
    """
    if not value or value.get("type"):
        return
    if section == "authentication" and not value.get("username"):
        raise ValueError("type: is required; it says how to sign in, such as basic, bearer, psk or none")
    if section == "wsSecurity" and not value.get("authentication"):
        raise ValueError("authentication: is required; write usernameToken, signature or none")


class Rules(_Strict):
    """How often the provider may be called, by all tasks, sources and replicas together."""

    enabled: bool = True
    """Whether the rules apply."""
    min_delay_ms: Annotated[int, Field(ge=0, le=5000), _NUMBER] = 0
    """Milliseconds between the starts of two requests, at least."""
    max_per_second: Annotated[float, Field(gt=0, le=10_000), _NUMBER] = DEFAULT_PER_SECOND
    """Requests that begin in any second, at most."""
    max_concurrent: Annotated[int, Field(ge=1, le=10_000), _NUMBER] | None = None
    """Requests in progress at once, at most."""
    share_of: Annotated[int, Field(ge=1, le=1000), _NUMBER] = 1
    """For replicas without a common database: how many of them share the rules; each takes its part."""


class Egress(_Strict):
    """Where the provider's tasks and sources may connect to, within what the runtime allows in general."""

    hosts: list[str] = Field(default=[])
    """Such as api.example.com or *.example.com; empty allows all. A redirect and a token endpoint count too."""
    ports: list[_Port] = Field(default=[])
    """Empty allows all."""
    networks: list[str] = Field(default=[])
    """Such as 10.20.0.0/16, for the addresses to which a name resolves; empty allows all."""

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        for host in self.hosts:
            if literal(host) is None:
                check_host_pattern(host, field="hosts")
        for network in self.networks:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(f"networks: {network[:64]!r} is not a network; write it like 10.20.0.0/16") from None
        return self


METHOD_INPUTS = ("method", "operation", "graphql.method")
"""Inputs of connectors that hold what an operation names as its method."""


class Operation(_Strict):
    """One thing to do with a provider, with an element template of its own."""

    name: str = ""
    """As the Modeler lists it; the key when left out."""
    description: str = ""
    """One line for the modeler."""
    method: str | None = None
    """HTTP method, such as POST; for another connector the value of its `operation`."""
    path: str = ""
    """Appended to the base address; `${name}` is filled by the task."""
    inputs: dict[str, Variable] = Field(default={})
    """What is known of the path's placeholders; one that is not listed is one path segment."""
    defaults: dict[str, Any] = Field(default={})
    """What the template's other inputs start with, by their wire names."""
    connector: str | None = None
    """Name of the connector; when left out, `rest` for http and https, else the one that takes the protocol."""


class Provider(_Strict):
    """A named remote system."""

    protocol: Protocol
    """What it speaks."""
    tags: list[str] = Field(default=[])
    """Words by which it is found."""
    description: str = ""
    """What it is, in a line."""
    documentation: Annotated[str | None, Field(pattern=r"^https?://\S+$")] = None
    """Link to further information."""
    active: bool = True
    """An inactive provider cannot be used."""
    environments: Annotated[dict[str, Environment], Field(min_length=1)]
    """By name: `test`, `acceptance`, `live`, or any other."""
    environment_by: list[Literal["versionTag", "task"]] = Field(default=[])
    """Who may choose an environment besides the runtime's own setting: the process's version tag, or the task."""
    variables: dict[str, Variable] = Field(default={})
    """What is known of the address's placeholders."""
    dynamic_hosts: list[str] = Field(default=[])
    """Hosts that a whole address from the task may name, such as *.example.com; empty allows no such address."""
    processes: list[str] = Field(default=[])
    """BPMN process ids that may use it, `*` as a wildcard; empty allows all."""
    tenants: list[str] = Field(default=[])
    """Tenants that may use it; empty allows all."""
    egress: Egress = Field(default=Egress())
    """Where its tasks and sources may connect to; when left out, wherever the runtime allows."""
    rules: Rules | None = None
    """How often it may be called; when left out, as often as tasks want."""
    operations: dict[str, Operation] = Field(default={})
    """What modelers pick, each with an element template of its own."""

    @cached_property
    def reach(self) -> Reach:
        """The egress rules as the network takes them."""
        hosts = tuple(plain_host(host) for host in self.egress.hosts)
        return Reach(hosts, tuple(self.egress.ports), tuple(map(ip_network, self.egress.networks)))

    @model_validator(mode="before")
    @classmethod
    def _soap(cls, data: Any) -> Any:
        """Reads the protocol `soap` as what its addresses say."""
        if isinstance(data, dict) and isinstance(name := data.get("protocol"), str) and name.casefold() == "soap":
            there = data.get("environments")
            urls = (
                [one.get("url") for one in there.values() if isinstance(one, dict)] if isinstance(there, dict) else []
            )
            plain = any(str(url).strip().casefold().startswith("http:") for url in urls)
            return {**data, "protocol": "http" if plain else "https"}
        return data

    @field_validator("protocol", mode="before")
    @classmethod
    def _older(cls, value: Any) -> Any:
        return _OLDER.get(value.casefold(), value.casefold()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        for host in self.dynamic_hosts:
            check_host_pattern(host)
        for name, environment in self.environments.items():
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"environments: {name[:64]!r} is not a valid name; begin with a letter, then use letters, digits, "
                    "dots, dashes and underscores"
                )
            try:
                self._check_address(environment)
            except AddressError as error:
                raise ValueError(f"environments.{name}.{error}") from None
        for key, operation in self.operations.items():
            try:
                self._check_operation(operation)
            except AddressError as error:
                raise ValueError(f"operations.{key}.{error}") from None
        used = {
            name
            for environment in self.environments.values()
            for name in placeholders(environment.url or environment.host or "")
        }
        for name in self.variables:
            if name not in used:
                raise ValueError(
                    f"variables.{name}: no address has a placeholder ${{{name}}}; remove it, or correct it"
                )
        return self

    def _check_operation(self, operation: Operation) -> None:
        check_path(operation.path)
        if is_address(operation.path) and not self.dynamic_hosts:
            raise AddressError("path: is a whole address; write only the path below the provider's own")
        known = placeholders(operation.path)
        for name in operation.inputs:
            if name not in known:
                raise AddressError(
                    f"inputs.{name[:64]}: its path has no placeholder ${{{name[:64]}}}; remove it, or correct it"
                )

    def _check_address(self, environment: Environment) -> None:
        if environment.url and environment.host:
            raise AddressError("url: give either url or host, not both")
        if self.protocol in OVER_HTTP:
            if not environment.url:
                raise AddressError("url: is required; the base address, such as https://host/path/")
            if environment.port:
                raise AddressError("port: belongs in the url; write it there")
            if environment.security:
                raise AddressError("security: is said by the url, which begins with http:// or https://; remove it")
            check_base(environment.url, self.protocol, self.variables, dynamic=bool(self.dynamic_hosts))
        else:
            if not (environment.host or environment.url):
                raise AddressError("host: is required; name or address of the server")
            if environment.url:
                self._check_other_url(environment.url)
                if environment.port and _port_of(environment.url) not in {None, environment.port}:
                    raise AddressError("port: the url names another one; remove one of them")
            else:
                check_host(environment.host or "", self.variables)

    def _check_other_url(self, url: str) -> None:
        """Checks the URL of a protocol that has none of its own in the web's sense."""
        if self.protocol == "database":
            check_system(url)
            if is_file(url):
                if not url.partition(":")[2].strip("/"):
                    raise AddressError("url: names no file; write it like sqlite:///orders.db")
                return
            if "?" in url:
                raise AddressError(
                    "url: must end with the database's name; encryption is set by security, and other options are "
                    "not read"
                )
        check_base(url, None if self.protocol == "database" else self.protocol, self.variables, dynamic=False)
        if self.protocol not in _WITH_PATH and url.partition("://")[2].partition("/")[2].strip("/"):
            raise AddressError(f"url: must end after host and port; {self.protocol} has no path there")


def _port_of(url: str) -> int | None:
    return urlsplit(PLACEHOLDER.sub("x", url)).port


def provider_of(document: Any, *, name: str = "") -> Provider:
    """Reads a provider's document; secured values may be texts, references or `Secret`s.

    Args:
        document: As it stands in `providers.yaml` under the provider's name.
        name: The provider's, for messages.

    Raises:
        ProviderError: Names the field and, for an unknown one, what is probably meant.
    """
    if name and not NAME.fullmatch(name):
        raise ProviderError(
            f"providers: {name[:64]!r} is not a valid name; begin with a letter, then use letters, digits, dots, "
            "dashes and underscores",
            path=[],
        )
    try:
        # By the names of the document alone: secured values would be looked for in vain under any other.
        return Provider.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        from zeebe_connectors.config.providers.reasons import reason_of  # noqa: PLC0415 - only for those who erred

        found = error.errors(include_url=False, include_input=False)
        # A key that is spelt wrongly is missing too; its own line helps more.
        first = next((item for item in found if item["type"] == "extra_forbidden"), found[0])
        location = [part for part in first["loc"] if part != "[key]"]
        reason = reason_of(first, location, Provider)
        # A check over several fields names its place in the text.
        path = [*location, *reason.partition(": ")[0].split(".")]
        where = ".".join(map(str, [*([name] if name else []), *location]))
        raise ProviderError(f"{where}: {reason}", path=path) from None


__all__ = [
    "DEFAULT_PER_SECOND",
    "OVER_HTTP",
    "PLACEHOLDER",
    "PROTOCOLS",
    "SECURITY",
    "Egress",
    "Environment",
    "Operation",
    "Protocol",
    "Provider",
    "ProviderError",
    "Proxy",
    "Rules",
    "Variable",
    "provider_of",
]
