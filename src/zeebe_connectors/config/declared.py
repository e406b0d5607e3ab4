"""Declare the runtime's settings for the page `docs/settings.md`: names, defaults and what they mean.

A test compares them with what the code reads, so that neither has a setting that the other does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeebe_connectors.config.cluster import NAMES


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the page.

    Args:
        names: Settings that belong together; `<NAME>` stands for a connector's name.
        default: What applies when it is not set, as Markdown.
        meaning: What it decides, as Markdown.
    """

    names: tuple[str, ...]
    default: str
    meaning: str


SETTINGS = (
    Setting(
        ("ZEEBE_ADDRESS", "CAMUNDA_CLIENT_GRPC_ADDRESS"),
        "`localhost:26500`",
        "the gateway; `https://` or a SaaS cluster means TLS",
    ),
    Setting(
        ("CAMUNDA_CLIENT_MODE", "CAMUNDA_CLIENT_CLOUD_CLUSTER_ID", "CAMUNDA_CLIENT_CLOUD_REGION"), "", "a SaaS cluster"
    ),
    Setting(
        (
            "CAMUNDA_CLIENT_AUTH_CLIENT_ID",
            "CAMUNDA_CLIENT_AUTH_CLIENT_SECRET",
            "CAMUNDA_CLIENT_AUTH_TOKEN_URL",
            "CAMUNDA_CLIENT_AUTH_AUDIENCE",
            "CAMUNDA_CLIENT_AUTH_SCOPE",
        ),
        "",
        "OAuth 2.0; the older `ZEEBE_` names are read as well",
    ),
    Setting(
        ("ZEEBE_CA_CERTIFICATE_PATH", "ZEEBE_CLIENT_CERTIFICATE_PATH", "ZEEBE_CLIENT_PRIVATE_KEY_PATH"),
        "",
        "TLS and mTLS; `CAMUNDA_CLIENT_OVERRIDE_AUTHORITY` is the name to expect in the server's certificate",
    ),
    Setting(("CAMUNDA_CLIENT_AUTH_USERNAME", "CAMUNDA_CLIENT_AUTH_PASSWORD"), "", "basic authentication"),
    Setting(("CAMUNDA_CLIENT_REST_ADDRESS",), "", "the cluster's REST API, for the features that need it"),
    Setting(("CAMUNDA_CLIENT_TENANT_IDS",), "the default tenant", "tenants whose jobs are taken, separated by commas"),
    Setting(("CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE",), "100", "jobs of one connector in progress at once"),
    Setting(
        ("CAMUNDA_CLIENT_WORKER_DEFAULTS_TIMEOUT",),
        "`PT5M`",
        "how long a job is ours; a task's header `jobTimeout` takes precedence",
    ),
    Setting(("CAMUNDA_CLIENT_WORKER_DEFAULTS_STREAM_ENABLED",), "true", "also let the engine push jobs"),
    Setting(
        ("CONNECTOR_OUTBOUND_ENABLED", "CONNECTOR_OUTBOUND_DISABLED"),
        "all",
        "names or job types of connectors to run, or not to run",
    ),
    Setting(("CONNECTOR_INBOUND_ENABLED", "CONNECTOR_INBOUND_DISABLED"), "all", "the same for connectors that watch"),
    Setting(
        ("CONNECTOR_<NAME>_TYPE", "CONNECTOR_<NAME>_TIMEOUT"),
        "",
        "another job type, another timeout in milliseconds; `<NAME>` as in `REST`, `SMTP_INFOSYS`",
    ),
    Setting(
        ("CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_PREFIX",), "`SECRET_`", "which environment variables are secrets"
    ),
    Setting(("ZEEBE_CONNECTORS_SECRETS_DIRECTORY",), "", "a folder with one file per secret"),
    Setting(
        ("ZEEBE_CONNECTORS_SECRETS_SCOPE",),
        "`diagram`",
        "what decides [where secrets resolve](secrets.md): the deployed `diagram`, `fields`, `secrets-only` or "
        "`everywhere`",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_SECRETS_UNRESOLVED",),
        "`warn`",
        "`incident` ends a job with an unresolved placeholder",
    ),
    Setting(("ZEEBE_CONNECTORS_FILES",), "none", "folders whose files tasks may use, separated as in `PATH`"),
    Setting(
        ("ZEEBE_CONNECTORS_PROVIDERS", "ZEEBE_CONNECTORS_ENVIRONMENT", "ZEEBE_CONNECTORS_PROVIDERS_KEY"),
        "`providers.yaml` if it is there, none, none",
        "[remote systems with a name](providers.md), which environment of them is in force, and keys for secured "
        "values in the database",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_PROCESSES",),
        "none",
        "ids of the processes that tasks may [start](connectors/process.md), separated by commas; `*` stands for any "
        "text",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_DIAGRAMS", "ZEEBE_CONNECTORS_SOURCES"),
        "none",
        "a folder of diagrams, or a TOML file, whose inbound elements are watched",
    ),
    Setting(
        ("CAMUNDA_CONNECTOR_POLLING_ENABLED",),
        "false",
        "also watch the inbound elements of deployed processes, found through the cluster's REST API (8.8 and later)",
    ),
    Setting(
        ("CAMUNDA_CONNECTOR_INBOUND_MESSAGE_TTL",),
        "`PT1H`",
        "how long the engine keeps an inbound element's message if the element does not say",
    ),
    Setting(("ZEEBE_CONNECTORS_DATA",), "`var`", "where the runtime keeps what must survive a restart"),
    Setting(
        ("ZEEBE_CONNECTORS_LEDGER",),
        "a file in `ZEEBE_CONNECTORS_DATA`",
        "the record of what has been processed, for replicas in PostgreSQL: "
        "`postgresql://user:password@host/database` (extra `postgresql`)",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_HOST", "ZEEBE_CONNECTORS_PORT"),
        "`127.0.0.1`, 8080",
        "health (`/health`; `/actuator/health/liveness` for restarts) and `/metrics`; port -1 for none; "
        "`SERVER_PORT` is read as well",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_SOAP_COMPATIBILITY",),
        "`standard`",
        "`camunda` repeats what is [odd in Camunda's SOAP connector](connectors/soap.md#accepted-as-well), for all "
        "tasks that do not decide it",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_ADMIN_TOKEN", "ZEEBE_CONNECTORS_ADMIN_HOSTS"),
        "none",
        "the token (16 characters at least) that the [operator's API](operator.md) demands, without which there is "
        "no API; and names under which it may be called",
    ),
    Setting(
        (
            "ZEEBE_CONNECTORS_ADMIN_VIEWER_TOKEN",
            "ZEEBE_CONNECTORS_ADMIN_MODELER_TOKEN",
            "ZEEBE_CONNECTORS_ADMIN_EDITOR_TOKEN",
        ),
        "none",
        "tokens for those who may only look, who may also test and import, and who may also change providers except "
        "for their secured values, on the [operator's page](operator.md)",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_TRY",),
        "none",
        "`live` lets operators [try](operator.md) connectors with a provider's live environment from the page",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_PAGE_DATA",),
        "`titles`",
        "what of the processes' data the [page](operator.md) shows: `none`, `titles` (subjects of mails), or `all`: "
        "also inputs and result of the last failed jobs, in memory for a day, secrets masked, for operators only",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_KEEP_FAILURES",),
        "false",
        "whether failed jobs are kept in the ledger for a day, so that the page shows them after a restart, and "
        "those of other replicas",
    ),
    Setting(("ZEEBE_CONNECTORS_OPERATE_URL",), "none", "where the page's links to process instances lead"),
    Setting(("ZEEBE_CONNECTORS_GRACE",), "`20s`", "the time that running jobs get at shutdown"),
    Setting(("ZEEBE_CONNECTORS_LOG_FORMAT",), "`text`", "or `json`"),
    Setting(
        ("ZEEBE_CONNECTORS_EVENT_LOOP",),
        "uvloop's where the extra `uvloop` is installed",
        "`asyncio` selects Python's own event loop",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_CONFIG",),
        "`zeebe-connectors.toml` if it is there",
        "the settings file; set in the environment or in `.env`",
    ),
    Setting(
        ("CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_ENABLED", "CAMUNDA_CONNECTOR_SECRETPROVIDER_DISCOVERY_ENABLED"),
        "true",
        "whether environment variables are secrets; whether plug-ins of the entry-point group "
        "`zeebe_connectors.secrets` supply some",
    ),
    Setting(
        (
            "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_TENANTAWARE",
            "CAMUNDA_CONNECTOR_SECRETPROVIDER_ENVIRONMENT_PROCESSDEFINITIONAWARE",
        ),
        "false",
        "whether the tenant's or the process's id stands between prefix and name of a secret",
    ),
    Setting(
        ("CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_MODE",),
        "",
        "the official runtime's name for the scope of secrets, read when ours is not set: `strict`, `lax` or "
        "`disabled`",
    ),
    Setting(
        (
            "CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_CACHE_ENABLED",
            "CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_CACHE_MAXSIZE",
        ),
        "true, 1000",
        "whether diagrams of deployed processes are kept, and how many",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_DOCUMENT_STORE",),
        "`local`",
        "where [documents](network.md#documents) are: `local` or `cluster`",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_DOCUMENTS",),
        "a folder in `ZEEBE_CONNECTORS_DATA`",
        "the local store's folder; replicas need a shared one",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_DOCUMENTS_KEEP",),
        "180 days",
        "how long documents are kept after they were last read, such as `P30D`; `PT0S` keeps all",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_DOCUMENTS_MAX_SIZE",),
        "4 GiB",
        "maximum bytes of a file or a query's result that becomes a document in the folder",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_DOCUMENT_HOSTS",),
        "none",
        "hosts from which documents on the web are fetched, separated by commas, with `*` as wildcard",
    ),
    Setting(("CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE",), "50 MiB", "maximum bytes that are read of a response"),
    Setting(
        ("CONNECTOR_HTTP_PROXY_HOST", "CONNECTOR_HTTPS_PROXY_HOST", "CONNECTOR_HTTP_NON_PROXY_HOSTS"),
        "none",
        "[proxies](network.md), with `_PORT`, `_SCHEME`, `_USER` and `_PASSWORD` beside `_HOST`; and hosts that are "
        "called directly",
    ),
    Setting(
        ("CAMUNDA_CONNECTOR_HTTP_BLOCK_URL", "CAMUNDA_CONNECTOR_HTTP_BLOCK_PORT", "CAMUNDA_CONNECTOR_HTTP_BLOCK_REGEX"),
        "none",
        "[what may not be called](network.md)",
    ),
    Setting(
        (
            "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED",
            "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ALLOWRANGES",
            "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_DENYRANGES",
            "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_UNSAFEALLOWPRIVATERANGES",
            "CAMUNDA_CONNECTOR_VALIDATION_HOSTS_UNSAFEALLOWLOOPBACK",
        ),
        "false",
        "[which networks may be called](network.md)",
    ),
    Setting(
        ("ZEEBE_CONNECTORS_CACHE",),
        "the user's cache folder",
        "where the local engine keeps its state, and the tests what they download",
    ),
)
"""In the order of the page."""

NOTICE = "<!-- Generated from config/declared.py by `make generate`; edit that instead. -->"


def settings_page() -> str:
    """Returns the page as Markdown."""
    rows = [
        f"| {'<br>'.join(f'`{name}`' for name in item.names)} | {item.default} | {item.meaning} |" for item in SETTINGS
    ]
    aliases = [f"| `{names[0]}` | {', '.join(f'`{name}`' for name in names[1:])} |" for names in NAMES.values()]
    return "\n".join((
        "# Settings",
        "",
        NOTICE,
        "",
        "Settings come from the environment, `.env`, or `zeebe-connectors.toml`, in this order. Spellings with and",
        "without underscores, dots or dashes are one setting. `zeebe-connectors check` says what is wrong with them.",
        "",
        "| setting | default | meaning |",
        "| --- | --- | --- |",
        *rows,
        "",
        "## Other names of the cluster's settings",
        "",
        "The first name that is set counts.",
        "",
        "| setting | also read, in this order |",
        "| --- | --- |",
        *aliases,
        "",
    ))  # fmt: skip
