"""Read how to reach the cluster, under all the names that Camunda and Zeebe users know.

Each setting is read under several names, listed strongest first: those of the Camunda client (`CAMUNDA_CLIENT_*`, as
the official runtime reads them), those that the Console hands out (`CAMUNDA_*`), and the older ones (`ZEEBE_*`). Upper
and lower case, underscores, dots and dashes make no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.net.connect import is_loopback
from zeebe_connectors.net.tls import from_files
from zeebe_connectors.sdk.text import items_of

DEFAULT_ADDRESS = "localhost:26500"
SAAS_DOMAIN = "zeebe.camunda.io"
SAAS_TOKEN_URL = "https://login.cloud.camunda.io/oauth/token"  # noqa: S105 - a URL, not a token
_PLAIN_SCHEMES = frozenset({"http", "grpc"})
_SECURE_SCHEMES = frozenset({"https", "grpcs"})

NAMES: Mapping[str, tuple[str, ...]] = {
    "address": (
        "CAMUNDA_CLIENT_GRPC_ADDRESS",
        "CAMUNDA_CLIENT_ZEEBE_GRPC_ADDRESS",
        "CAMUNDA_CLIENT_ZEEBE_GATEWAY_URL",
        "ZEEBE_GRPC_ADDRESS",
        "ZEEBE_CLIENT_BROKER_GATEWAY_ADDRESS",
        "ZEEBE_CLIENT_BROKER_GRPC_ADDRESS",
        "ZEEBE_ADDRESS",
    ),
    "rest_address": (
        "CAMUNDA_CLIENT_REST_ADDRESS",
        "CAMUNDA_CLIENT_ZEEBE_REST_ADDRESS",
        "CAMUNDA_REST_ADDRESS",
        "ZEEBE_REST_ADDRESS",
    ),
    "mode": ("CAMUNDA_CLIENT_MODE",),
    "cluster_id": (
        "CAMUNDA_CLIENT_CLOUD_CLUSTER_ID",
        "CAMUNDA_CLIENT_CLUSTER_ID",
        "ZEEBE_CLIENT_CLOUD_CLUSTER_ID",
        "CAMUNDA_CLUSTER_ID",
    ),
    "region": (
        "CAMUNDA_CLIENT_CLOUD_REGION",
        "CAMUNDA_CLIENT_REGION",
        "ZEEBE_CLIENT_CLOUD_REGION",
        "CAMUNDA_CLUSTER_REGION",
    ),
    "insecure": (
        "CAMUNDA_CLIENT_PLAINTEXT",
        "ZEEBE_CLIENT_SECURITY_PLAINTEXT",
        "ZEEBE_INSECURE_CONNECTION",
    ),
    "ca": (
        "CAMUNDA_CLIENT_CA_CERTIFICATE_PATH",
        "CAMUNDA_CLIENT_ZEEBE_CA_CERTIFICATE_PATH",
        "ZEEBE_CLIENT_SECURITY_CERT_PATH",
        "ZEEBE_CA_CERTIFICATE_PATH",
    ),
    "certificate": ("CAMUNDA_CLIENT_CERTIFICATE_PATH", "ZEEBE_CLIENT_CERTIFICATE_PATH"),
    "key": ("CAMUNDA_CLIENT_PRIVATE_KEY_PATH", "ZEEBE_CLIENT_PRIVATE_KEY_PATH"),
    "authority": (
        "CAMUNDA_CLIENT_OVERRIDE_AUTHORITY",
        "CAMUNDA_CLIENT_ZEEBE_OVERRIDE_AUTHORITY",
        "ZEEBE_CLIENT_SECURITY_OVERRIDE_AUTHORITY",
        "ZEEBE_OVERRIDE_AUTHORITY",
    ),
    "auth": ("CAMUNDA_CLIENT_AUTH_METHOD", "CAMUNDA_AUTH_STRATEGY"),
    "client_id": (
        "CAMUNDA_CLIENT_AUTH_CLIENT_ID",
        "CAMUNDA_CLIENT_CLOUD_CLIENT_ID",
        "CAMUNDA_CLIENT_ID",
        "ZEEBE_CLIENT_CLOUD_CLIENT_ID",
        "ZEEBE_CLIENT_ID",
    ),
    "client_secret": (
        "CAMUNDA_CLIENT_AUTH_CLIENT_SECRET",
        "CAMUNDA_CLIENT_CLOUD_CLIENT_SECRET",
        "CAMUNDA_CLIENT_SECRET",
        "ZEEBE_CLIENT_CLOUD_CLIENT_SECRET",
        "ZEEBE_CLIENT_SECRET",
    ),
    "token_url": (
        "CAMUNDA_CLIENT_AUTH_TOKEN_URL",
        "CAMUNDA_CLIENT_AUTH_ISSUER",
        "CAMUNDA_OAUTH_URL",
        "ZEEBE_CLIENT_CLOUD_AUTH_URL",
        "ZEEBE_AUTHORIZATION_SERVER_URL",
    ),
    "audience": (
        "CAMUNDA_CLIENT_AUTH_AUDIENCE",
        "CAMUNDA_CLIENT_ZEEBE_AUDIENCE",
        "CAMUNDA_TOKEN_AUDIENCE",
        "ZEEBE_TOKEN_AUDIENCE",
    ),
    "scope": (
        "CAMUNDA_CLIENT_AUTH_SCOPE",
        "CAMUNDA_CLIENT_ZEEBE_SCOPE",
        "CAMUNDA_TOKEN_SCOPE",
        "ZEEBE_TOKEN_SCOPE",
    ),
    "username": ("CAMUNDA_CLIENT_AUTH_USERNAME", "CAMUNDA_BASIC_AUTH_USERNAME"),
    "password": ("CAMUNDA_CLIENT_AUTH_PASSWORD", "CAMUNDA_BASIC_AUTH_PASSWORD"),
    "tenants": (
        "CAMUNDA_CLIENT_WORKER_DEFAULTS_TENANT_IDS",
        "CAMUNDA_CLIENT_TENANT_IDS",
        "ZEEBE_CLIENT_DEFAULT_JOB_WORKER_TENANT_IDS",
        "ZEEBE_DEFAULT_JOB_WORKER_TENANT_IDS",
        "CAMUNDA_CLIENT_TENANT_ID",
        "ZEEBE_CLIENT_DEFAULT_TENANT_ID",
        "ZEEBE_DEFAULT_TENANT_ID",
    ),
}
"""The names under which a setting is read, strongest first."""

Auth = Literal["none", "basic", "oidc"]


@dataclass(frozen=True)
class ClusterSettings:
    """Where the engine is and how to sign in.

    Args:
        address: Host and port of the gRPC gateway.
        secure: Whether the connection is TLS.
        ca: PEM file of certificate authorities, in place of the system's.
        certificate: PEM file with the certificate that we present (mTLS).
        key: PEM file with its private key.
        authority: Name to expect in the server's certificate, in place of the address's host.
        auth: How the runtime identifies itself.
        client_id: OAuth 2.0 client.
        client_secret: Its secret.
        token_url: OAuth 2.0 token endpoint.
        audience: Audience of the token, if the authorization server wants one.
        scope: Scope of the token, if the authorization server wants one.
        username: User for basic authentication.
        password: Its password.
        tenants: Tenants whose jobs are taken; empty means the default tenant.
        rest_address: Base URL of the cluster's REST API; empty when it was not given.
        sources: By field, the name of the setting that decided it, with its origin.
    """

    address: str = DEFAULT_ADDRESS
    secure: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    authority: str = ""
    auth: Auth = "none"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    token_url: str = ""
    audience: str = ""
    scope: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    tenants: tuple[str, ...] = ()
    rest_address: str = ""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> ClusterSettings:
        """Reads the cluster from settings.

        Raises:
            SettingsError: A setting is wrong or one is missing; the message names it and the remedy.
        """
        return _Reader(values if isinstance(values, Environment) else Environment(("environment", values))).read()

    @property
    def exposes_credentials(self) -> bool:
        """Whether a password or token goes unencrypted to another machine."""
        return self.auth != "none" and not self.secure and not is_loopback(self.address.rpartition(":")[0])

    def describe(self) -> list[str]:
        """Returns the effective cluster in lines for a person, each with the settings that decided it; no secrets."""
        lines = [f"cluster {self.address}, {'TLS' if self.secure else 'plaintext'}{self._by('address', 'cluster_id')}"]
        if self.ca:
            lines.append(f"trusting {self.ca}{self._by('ca')}")
        if self.certificate:
            lines.append(f"showing the certificate {self.certificate}{self._by('certificate')}")
        if self.auth == "oidc":
            lines.append(f"authenticated as client {self.client_id}{self._by('client_id')}")
            lines.append(f"with tokens from {_without_login(self.token_url)}{self._by('token_url')}")
        elif self.auth == "basic":
            lines.append(f"authenticated as user {self.username}{self._by('username')}")
        else:
            lines.append("not authenticated")
        if self.exposes_credentials:
            lines.append("WARNING: the credentials go there unencrypted; use TLS, unless the network is trusted")
        if self.tenants:
            lines.append(f"tenants {', '.join(self.tenants)}{self._by('tenants')}")
        return lines

    def _by(self, *fields: str) -> str:
        source = next((self.sources[name] for name in fields if name in self.sources), None)
        return f" ({source})" if source else " (default)"


def _without_login(url: str) -> str:
    """Removes credentials from a URL, so that it may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


class _Reader:
    """Reads one cluster and remembers which names it used."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._used: dict[str, str] = {}
        self._chose_plaintext = False

    def read(self) -> ClusterSettings:
        saas = self._saas()
        given = self._text("address")
        address, secure = self._address(given or saas or DEFAULT_ADDRESS)
        ca, certificate, key = self._file("ca"), self._file("certificate"), self._file("key")
        if (certificate is None) != (key is None):
            there, missing = ("certificate", "key") if certificate else ("key", "certificate")
            raise SettingsError(
                f"{self._used[there]}: mutual TLS needs a certificate and its key; also set {NAMES[missing][0]}"
            )
        self._chose_plaintext = secure is False
        if secure is None:
            secure = self._secure(address, wants_tls=bool(ca or certificate))
        if not secure and (ca or certificate):
            raise SettingsError(
                f"{self._used.get('ca') or self._used['certificate']}: certificates mean TLS, but the address is "
                f"plaintext; write it as https://{address} or leave the certificates out"
            )
        auth = self._auth()
        is_saas = address.rpartition(":")[0].endswith("." + SAAS_DOMAIN)
        settings = ClusterSettings(
            address=address,
            secure=secure,
            ca=ca,
            certificate=certificate,
            key=key,
            authority=self._text("authority"),
            auth=auth,
            client_id=self._text("client_id") if auth == "oidc" else "",
            client_secret=self._text("client_secret") if auth == "oidc" else "",
            token_url=(self._text("token_url") or (SAAS_TOKEN_URL if is_saas else "")) if auth == "oidc" else "",
            audience=(self._text("audience") or (SAAS_DOMAIN if is_saas else "")) if auth == "oidc" else "",
            scope=self._text("scope") if auth == "oidc" else "",
            username=self._text("username") if auth == "basic" else "",
            password=self._text("password") if auth == "basic" else "",
            tenants=tuple(items_of(self._text("tenants"))),
            rest_address=self._text("rest_address").rstrip("/"),
            sources=self._used,
        )
        self._check(settings)
        self._check_certificates(settings)
        return settings

    def _text(self, field_name: str) -> str:
        for name in NAMES[field_name]:
            if text := self._environment.text(name):
                self._used[field_name] = f"{name} in {self._environment.origin(name)}"
                return text
        return ""

    def _require(self, field_name: str, reason: str) -> None:
        if not self._text(field_name):
            raise SettingsError(f"{NAMES[field_name][0]}: not set, but {reason}")

    def _saas(self) -> str:
        """Returns the address of a cluster in Camunda's cloud, or nothing."""
        mode = self._text("mode").casefold()
        if mode and mode not in {"saas", "self-managed", "selfmanaged", "simple", "basic", "oidc"}:
            raise SettingsError(f"{self._used['mode']}: must be 'saas' or 'self-managed'")
        cluster, region = self._text("cluster_id"), self._text("region")
        if mode == "saas" and not cluster and not self._text("address"):
            self._require("cluster_id", "the mode is 'saas'; the Console shows it on the cluster's page")
        if not cluster or mode not in {"", "saas"}:
            return ""
        if "address" not in self._used:
            self._require(
                "region", f"{self._used['cluster_id']} names a cluster; the region is in the Console, such as bru-2"
            )
        self._require(
            "client_id", "a cluster in the cloud needs credentials; create a client on the cluster's API page"
        )
        return f"https://{cluster}.{region}.{SAAS_DOMAIN}:443"

    def _address(self, text: str) -> tuple[str, bool | None]:
        """Returns host and port, and whether the scheme asks for TLS (None without a scheme)."""
        name = self._used.get("address", "address")
        parts = urlsplit(text if "://" in text else f"//{text}")
        if parts.scheme not in {"", *_PLAIN_SCHEMES, *_SECURE_SCHEMES}:
            raise SettingsError(f"{name}: '{parts.scheme}://' is not a gRPC address; write http:// or https://")
        secure = None if not parts.scheme else parts.scheme in _SECURE_SCHEMES
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            raise SettingsError(f"{name}: the port must be a number up to 65535, as in localhost:26500") from None
        if not host or parts.path.strip("/") or parts.query or parts.username:
            raise SettingsError(f"{name}: must be host:port, as in localhost:26500 or https://zeebe.example.com:443")
        if ":" in host:
            host = f"[{host}]"
        return f"{host}:{port or (443 if secure else 26500)}", secure

    def _secure(self, address: str, *, wants_tls: bool) -> bool:
        """Decides whether an address without scheme uses TLS: by the setting, else the certificates, else the port."""
        for name in NAMES["insecure"]:
            if self._environment.text(name):
                self._used["insecure"] = name
                self._chose_plaintext = True
                return not self._environment.flag(name, default=False)
        return wants_tls or address.endswith(":443")

    def _file(self, field_name: str) -> Path | None:
        text = self._text(field_name)
        if not text:
            return None
        path = Path(text).expanduser()
        try:
            with path.open("rb") as file:
                content = file.read(1024 * 1024)
        except OSError as error:
            raise SettingsError(f"{self._used[field_name]}: {path} cannot be read: {error.strerror}") from None
        if b"-----BEGIN" not in content:
            raise SettingsError(
                f"{self._used[field_name]}: {path} is not a PEM file; convert it, for example with "
                "openssl x509 -inform der"
            )
        return path

    def _check_certificates(self, settings: ClusterSettings) -> None:
        """Has the library read the files: otherwise it would refuse them as the runtime connects.

        Raises:
            SettingsError: They are PEM, and not what they should be.
        """
        ca, certificate, key = settings.ca, settings.certificate, settings.key
        if ca:
            try:
                from_files(ca)
            except OSError as error:
                raise SettingsError(
                    f"{self._used['ca']}: {ca} holds no certificates of authorities ({_reason(error)})"
                ) from None
        if certificate:
            try:
                from_files(ca, certificate, key)
            except OSError as error:
                raise SettingsError(
                    f"{self._used['certificate']}: {certificate} and {key} must be a certificate and its key without a "
                    f"password ({_reason(error)})"
                ) from None

    def _auth(self) -> Auth:
        method = self._text("auth").casefold()
        if method in {"oidc", "oauth", "oauth2"}:
            return "oidc"
        if method == "basic":
            return "basic"
        if method == "none":
            return "none"
        if method:
            raise SettingsError(f"{self._used['auth']}: must be 'none', 'basic' or 'oidc'")
        if self._text("client_id"):
            return "oidc"
        return "basic" if self._text("username") else "none"

    def _check(self, settings: ClusterSettings) -> None:
        if settings.exposes_credentials and not self._chose_plaintext:
            raise SettingsError(
                f"{self._used.get('address', NAMES['address'][0])}: the credentials would go to {settings.address} "
                f"unencrypted; write the address as https://{settings.address}, or as http://{settings.address} where "
                "the network is trusted"
            )
        if settings.auth == "oidc":
            self._require("client_id", "OAuth 2.0 needs the client's id")
            self._require("client_secret", f"{self._used['client_id']} is; set the client's secret")
            if not settings.token_url:
                self._require("token_url", "OAuth 2.0 needs the URL of the token endpoint")
            parts = urlsplit(settings.token_url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise SettingsError(
                    f"{self._used.get('token_url', 'token_url')}: must be the full URL of the token endpoint, such as "
                    "https://login.example.com/oauth/token"
                )
        elif settings.auth == "basic":
            self._require("username", "basic authentication needs a user")
            self._require("password", f"{self._used['username']} is; set the user's password")


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or type(error).__name__
