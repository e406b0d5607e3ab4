"""Every setting of the page of settings has an effect, and the table has every default right."""

from __future__ import annotations

import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import trustme

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.secrets import Mask, SecretResolver, installed_providers
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.sdk.fields import Secret
from zeebe_connectors.sdk.secret_places import SecretPlaces

CERTIFICATE = trustme.CA().issue_cert("worker")
TABLE = (Path(__file__).parent.parent.parent / "docs" / "settings.md").read_text(encoding="utf-8")
LOGIN = {
    "CAMUNDA_CLIENT_AUTH_CLIENT_ID": "me",
    "CAMUNDA_CLIENT_AUTH_CLIENT_SECRET": "secret",
    "CAMUNDA_CLIENT_AUTH_TOKEN_URL": "https://login.example.com/token",
}
BASIC = {"CAMUNDA_CLIENT_AUTH_USERNAME": "me", "CAMUNDA_CLIENT_AUTH_PASSWORD": "secret"}
CLOUD = {**LOGIN, "CAMUNDA_CLIENT_CLOUD_CLUSTER_ID": "c", "CAMUNDA_CLIENT_CLOUD_REGION": "r"}
MUTUAL = {"ZEEBE_CLIENT_CERTIFICATE_PATH": "{pem}", "ZEEBE_CLIENT_PRIVATE_KEY_PATH": "{pem}"}
CASES: list[tuple[str, str, str, Any, dict[str, str]]] = [
    # setting, its value, what it decides, how that is then, what it needs beside it
    ("ZEEBE_ADDRESS", "z:1", "cluster.address", "z:1", {}),
    ("CAMUNDA_CLIENT_GRPC_ADDRESS", "https://z:1", "cluster.secure", True, {}),
    ("CAMUNDA_CLIENT_MODE", "self-managed", "cluster.address", "localhost:26500", CLOUD),
    ("CAMUNDA_CLIENT_CLOUD_CLUSTER_ID", "x", "cluster.address", "x.r.zeebe.camunda.io:443", CLOUD),
    ("CAMUNDA_CLIENT_CLOUD_REGION", "x", "cluster.address", "c.x.zeebe.camunda.io:443", CLOUD),
    ("CAMUNDA_CLIENT_AUTH_CLIENT_ID", "you", "cluster.client_id", "you", LOGIN),
    ("CAMUNDA_CLIENT_AUTH_CLIENT_SECRET", "x", "cluster.client_secret", "x", LOGIN),
    ("CAMUNDA_CLIENT_AUTH_TOKEN_URL", "https://t/", "cluster.token_url", "https://t/", LOGIN),
    ("CAMUNDA_CLIENT_AUTH_AUDIENCE", "x", "cluster.audience", "x", LOGIN),
    ("CAMUNDA_CLIENT_AUTH_SCOPE", "x", "cluster.scope", "x", LOGIN),
    ("CAMUNDA_CLIENT_AUTH_USERNAME", "you", "cluster.username", "you", BASIC),
    ("CAMUNDA_CLIENT_AUTH_PASSWORD", "x", "cluster.password", "x", BASIC),
    ("CAMUNDA_CLIENT_REST_ADDRESS", "http://z:8080", "cluster.rest_address", "http://z:8080", {}),
    ("CAMUNDA_CLIENT_TENANT_IDS", "a, b", "cluster.tenants", ("a", "b"), {}),
    ("ZEEBE_CA_CERTIFICATE_PATH", "{pem}", "cluster.ca", "{pem}", {}),
    ("ZEEBE_CLIENT_CERTIFICATE_PATH", "{other}", "cluster.certificate", "{other}", MUTUAL),
    ("ZEEBE_CLIENT_PRIVATE_KEY_PATH", "{other}", "cluster.key", "{other}", MUTUAL),
    ("CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE", "7", "worker.slots", 7, {}),
    ("CAMUNDA_CLIENT_WORKER_DEFAULTS_TIMEOUT", "PT7S", "worker.timeout", 7.0, {}),
    ("CAMUNDA_CLIENT_WORKER_DEFAULTS_STREAM_ENABLED", "false", "worker.stream", False, {}),
    ("CONNECTOR_OUTBOUND_ENABLED", "rest", "outbound.enabled", {"rest"}, {}),
    ("CONNECTOR_OUTBOUND_DISABLED", "rest", "outbound.disabled", {"rest"}, {}),
    ("CONNECTOR_INBOUND_ENABLED", "imap", "inbound.enabled", {"imap"}, {}),
    ("CONNECTOR_INBOUND_DISABLED", "imap", "inbound.disabled", {"imap"}, {}),
    ("CONNECTOR_<NAME>_TYPE", "x:1", "types", {"REST": "x:1"}, {}),
    ("CONNECTOR_<NAME>_TIMEOUT", "1500", "timeouts", {"REST": 1.5}, {}),
    ("ZEEBE_CONNECTORS_SECRETS_SCOPE", "everywhere", "secrets_scope", "everywhere", {}),
    ("ZEEBE_CONNECTORS_SECRETS_UNRESOLVED", "incident", "secrets_unresolved", "incident", {}),
    ("ZEEBE_CONNECTORS_FILES", "/a:/b", "files", (Path("/a"), Path("/b")), {}),
    ("ZEEBE_CONNECTORS_DIAGRAMS", "{folder}", "diagrams", "{folder}", {}),
    ("ZEEBE_CONNECTORS_SOURCES", "{pem}", "sources", "{pem}", {}),
    ("CAMUNDA_CONNECTOR_POLLING_ENABLED", "true", "polling", True, {"ZEEBE_REST_ADDRESS": "http://z:8080"}),
    ("CAMUNDA_CONNECTOR_INBOUND_MESSAGE_TTL", "PT7S", "message_ttl", 7.0, {}),
    ("ZEEBE_CONNECTORS_DATA", "/d", "documents", Path("/d/documents"), {}),
    ("ZEEBE_CONNECTORS_LEDGER", "postgresql://u:p@h/d", "ledger", Secret("postgresql://u:p@h/d"), {}),
    ("ZEEBE_CONNECTORS_HOST", "0.0.0.0", "host", "0.0.0.0", {}),
    ("ZEEBE_CONNECTORS_PORT", "-1", "port", -1, {}),
    ("ZEEBE_CONNECTORS_GRACE", "7s", "grace", 7.0, {}),
    ("ZEEBE_CONNECTORS_LOG_FORMAT", "json", "log_format", "json", {}),
    ("ZEEBE_CONNECTORS_ADMIN_TOKEN", "0123456789abcdef", "admin_token", Secret("0123456789abcdef"), {}),
    ("ZEEBE_CONNECTORS_PAGE_DATA", "all", "page_data", "all", {}),
    ("ZEEBE_CONNECTORS_KEEP_FAILURES", "true", "keep_failures", True, {}),
    ("ZEEBE_CONNECTORS_ADMIN_HOSTS", "A.example, b", "admin_hosts", {"a.example", "b"}, {}),
]
ELSEWHERE = {
    "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_PREFIX",
    "ZEEBE_CONNECTORS_SECRETS_DIRECTORY",
    "ZEEBE_CONNECTORS_DOCUMENT_STORE",  # with the documents, in test_documents.py
    "ZEEBE_CONNECTORS_SOAP_COMPATIBILITY",  # with the connector, in test_contract.py
    # With the rooms that read them: cluster, secrets, net, documents, providers, admin.
    "CAMUNDA_CLIENT_AUTH_METHOD",
    "CAMUNDA_CLIENT_CA_CERTIFICATE_PATH",
    "CAMUNDA_CLIENT_CERTIFICATE_PATH",
    "CAMUNDA_CLIENT_OVERRIDE_AUTHORITY",
    "CAMUNDA_CLIENT_PLAINTEXT",
    "CAMUNDA_CLIENT_PRIVATE_KEY_PATH",
    "CAMUNDA_CLIENT_WORKER_DEFAULTS_TENANT_IDS",
    "CAMUNDA_CONNECTOR_HTTP_BLOCK_PORT",
    "CAMUNDA_CONNECTOR_HTTP_BLOCK_REGEX",
    "CAMUNDA_CONNECTOR_HTTP_BLOCK_URL",
    "CAMUNDA_CONNECTOR_SECRETPROVIDER_DISCOVERY_ENABLED",
    "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_ENABLED",
    "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_PROCESSDEFINITIONAWARE",
    "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_TENANTAWARE",
    "CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_CACHE_ENABLED",
    "CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_CACHE_MAXSIZE",
    "CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_MODE",
    "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ALLOWRANGES",
    "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_DENYRANGES",
    "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED",
    "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_UNSAFEALLOWLOOPBACK",
    "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_UNSAFEALLOWPRIVATERANGES",
    "CONNECTOR_HTTPS_PROXY_HOST",
    "CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE",
    "CONNECTOR_HTTP_NON_PROXY_HOSTS",
    "CONNECTOR_HTTP_PROXY_HOST",
    "ZEEBE_CONNECTORS_ADMIN_EDITOR_TOKEN",
    "ZEEBE_CONNECTORS_ADMIN_MODELER_TOKEN",
    "ZEEBE_CONNECTORS_ADMIN_VIEWER_TOKEN",
    "ZEEBE_CONNECTORS_CACHE",
    "ZEEBE_CONNECTORS_CONFIG",
    "ZEEBE_CONNECTORS_DOCUMENTS",
    "ZEEBE_CONNECTORS_DOCUMENTS_KEEP",
    "ZEEBE_CONNECTORS_DOCUMENTS_MAX_SIZE",
    "ZEEBE_CONNECTORS_DOCUMENT_HOSTS",
    "ZEEBE_CONNECTORS_ENVIRONMENT",
    "ZEEBE_CONNECTORS_EVENT_LOOP",
    "ZEEBE_CONNECTORS_OPERATE_URL",
    "ZEEBE_CONNECTORS_PROCESSES",
    "ZEEBE_CONNECTORS_PROVIDERS",
    "ZEEBE_CONNECTORS_PROVIDERS_KEY",
    "ZEEBE_CONNECTORS_TRY",
}


def documented() -> set[str]:
    rows = [line.split("|")[1] for line in TABLE.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z_<>]+)`", row)}


def test_every_setting_of_the_table_is_tested_here() -> None:
    """And no other, so that none is forgotten in the table."""
    assert {case[0] for case in CASES} | ELSEWHERE == documented()


@pytest.mark.parametrize(("name", "value", "decides", "then", "beside"), CASES, ids=[case[0] for case in CASES])
def test_a_setting_decides_what_the_table_says(
    name: str, value: str, decides: str, then: Any, beside: dict[str, str], tmp_path: Path
) -> None:
    """Without it, it is otherwise."""
    files = {"pem": tmp_path / "a.pem", "other": tmp_path / "b.pem"}
    for file in files.values():
        file.write_bytes(CERTIFICATE.private_key_and_cert_chain_pem.bytes())
    files["folder"] = tmp_path
    given = {setting: text.format(**files) for setting, text in beside.items()}
    before = attrgetter(decides)(Settings.read(Environment(("environment", given))))
    given[name.replace("<NAME>", "REST")] = value.format(**files)
    after = attrgetter(decides)(Settings.read(Environment(("environment", given))))
    is_file = isinstance(then, str) and then.startswith("{")
    assert after == (Path(then.format(**files)) if is_file else then)
    assert before != after


async def test_the_settings_of_secrets(tmp_path: Path) -> None:
    """The prefix decides which variables are secrets, the directory which files."""
    (tmp_path / "FILE").write_text("from a file")
    given = {
        "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_PREFIX": "MY_",
        "ZEEBE_CONNECTORS_SECRETS_DIRECTORY": str(tmp_path),
        "MY_A": "mine",
        "SECRET_FILE": "not a secret any more",
    }
    found = SecretResolver(installed_providers(Environment(("environment", given))))
    texts = ["secrets.A", "secrets.FILE"]
    resolved = await found.resolve(texts, SecretPlaces(everywhere=True), mask=Mask())
    assert resolved.value == ["mine", "from a file"]


def test_the_tables_defaults_are_the_settings() -> None:
    """Where the table shows one that can be read."""
    settings = Settings.read(Environment(("environment", {})))
    shown = {
        "ZEEBE_ADDRESS": settings.cluster.address,
        "CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE": str(settings.worker.slots),
        "CAMUNDA_CLIENT_WORKER_DEFAULTS_TIMEOUT": f"PT{settings.worker.timeout / 60:.0f}M",
        "ZEEBE_CONNECTORS_DATA": str(settings.data),
        "ZEEBE_CONNECTORS_HOST": f"{settings.host}, {settings.port}",
        "ZEEBE_CONNECTORS_GRACE": f"{settings.grace:.0f}s",
        "ZEEBE_CONNECTORS_LOG_FORMAT": settings.log_format,
        "ZEEBE_CONNECTORS_SECRETS_SCOPE": settings.secrets_scope,
        "CAMUNDA_CONNECTOR_INBOUND_MESSAGE_TTL": f"PT{settings.message_ttl / 3600:.0f}H",
    }
    for name, default in shown.items():
        (row,) = [line for line in TABLE.splitlines() if line.startswith(f"| `{name}`")]
        assert row.split("|")[2].replace("`", "").strip() == default


@pytest.mark.parametrize(
    ("values", "scope"),
    [
        ({}, "diagram"),
        ({"CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_MODE": "STRICT"}, "diagram"),
        ({"CAMUNDA_CONNECTOR_SECRET_RESOLVER_SECRET_FILTER_MODE": "LAX"}, "diagram"),
        ({"camunda.connector.secret-resolver.secret-filter.mode": "disabled"}, "everywhere"),
        (
            {
                "camunda.connector.secret-resolver.secret-filter.mode": "DISABLED",
                "ZEEBE_CONNECTORS_SECRETS_SCOPE": "secrets-only",
            },
            "secrets-only",
        ),
        ({"ZEEBE_CONNECTORS_SECRETS_SCOPE": "Fields"}, "fields"),
    ],
)
def test_the_official_names_of_the_secrets_filter_are_read(values, scope) -> None:
    """Ours wins; `LAX` is no wider than `STRICT` here."""
    assert Settings.read(Environment(("environment", values))).secrets_scope == scope


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({}, 1000),
        ({"camunda.connector.secret-resolver.secret-filter.cache.max-size": "7"}, 7),
        ({"camunda.connector.secret-resolver.secret-filter.cache.enabled": "false"}, 0),
    ],
)
def test_the_official_names_of_the_filters_cache_are_read(values, kept) -> None:
    """They bound the diagrams that are kept."""
    assert Settings.read(Environment(("environment", values))).max_cached_diagrams == kept


def test_a_wrong_filter_is_named() -> None:
    """With what it may be."""
    name = "CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_MODE"
    with pytest.raises(SettingsError, match=f"{name}.*strict, lax, disabled"):
        Settings.read(Environment(("environment", {name: "loose"})))
