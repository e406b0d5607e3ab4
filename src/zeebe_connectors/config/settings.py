"""Read and check the runtime's settings, by the names that Camunda's users know."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.sdk.durations import parse_setting
from zeebe_connectors.sdk.fields import Secret

DEFAULT_SLOTS = 100
DEFAULT_TIMEOUT = 300.0
MAX_DURATION = 366 * 86400.0
"""Seconds of the longest duration that a setting may ask for."""
ADMIN_TOKEN_SETTING = "ZEEBE_CONNECTORS_ADMIN_TOKEN"  # noqa: S105 - its name
MIN_TOKEN_LENGTH = 16
SCOPE_SETTING = "ZEEBE_CONNECTORS_SECRETS_SCOPE"
UNRESOLVED_SETTING = "ZEEBE_CONNECTORS_SECRETS_UNRESOLVED"
FILTER_SETTING = "CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_MODE"
"""The official runtime's name; it is read when the scope is not set."""
_FILTER_CACHE = "CAMUNDA_CONNECTOR_SECRETRESOLVER_SECRETFILTER_CACHE_"
Scope = Literal["diagram", "fields", "secrets-only", "everywhere"]
_SCOPES: Mapping[str, Scope] = {
    "diagram": "diagram", "fields": "fields", "secrets-only": "secrets-only", "everywhere": "everywhere"
}  # fmt: skip
PageData = Literal["none", "titles", "all"]
_PAGE_DATA: Mapping[str, PageData] = {"none": "none", "titles": "titles", "all": "all"}
_FILTERS: Mapping[str, Scope] = {"strict": "diagram", "lax": "diagram", "disabled": "everywhere"}


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How jobs of one type are fetched.

    Args:
        slots: Jobs of one connector in progress at once.
        timeout: Seconds for which an activated job is ours.
        stream: Whether jobs are also taken from the engine's push stream.
    """

    slots: int = DEFAULT_SLOTS
    timeout: float = DEFAULT_TIMEOUT
    stream: bool = True


@dataclass(frozen=True, slots=True)
class Selection:
    """Which connectors of one direction run.

    Args:
        enabled: Names or job types of the only ones to run; empty runs all.
        disabled: Names or job types of those not to run.
    """

    enabled: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()

    def runs(self, name: str, kind: str) -> bool:
        """Returns whether the operator lets this connector run.

        Args:
            name: The connector's name.
            kind: Its job type.
        """
        keys = {name.casefold(), kind.casefold()}
        return bool(keys & self.enabled) if self.enabled else not keys & self.disabled


@dataclass(frozen=True)
class Settings:
    """Everything that the operator decides."""

    cluster: ClusterSettings
    worker: WorkerSettings = WorkerSettings()
    outbound: Selection = Selection()
    """Which connectors carry out jobs."""
    inbound: Selection = Selection()
    """Which connectors watch for events."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Other job types, by connector name."""
    timeouts: Mapping[str, float] = field(default_factory=dict)
    """Other job timeouts in seconds, by connector name."""
    secrets_scope: Scope = "diagram"
    """What decides where placeholders resolve."""
    secrets_unresolved: Literal["warn", "incident"] = "warn"
    """What becomes of a job with a placeholder that is not resolved."""
    max_cached_diagrams: int = 1000
    """Diagrams of deployed processes that are kept; 0 reads them for each job that needs one."""
    files: tuple[Path, ...] = ()
    """Directories whose files tasks may use."""
    processes: tuple[str, ...] = ()
    """BPMN ids of the processes that tasks may start; `*` stands for any text."""
    documents: Path = Path("var/documents")
    """Where documents are kept."""
    diagrams: Path | None = None
    """A folder of diagrams whose inbound elements are watched."""
    sources: Path | None = None
    """A TOML file of inbound elements that are watched."""
    polling: bool = False
    """Whether the cluster is asked for deployed processes whose inbound elements are watched."""
    message_ttl: float = 3600.0
    """Seconds for which the engine keeps a message of an inbound element that does not say."""
    data: Path = Path("var")
    """Where the runtime keeps what must survive a restart."""
    ledger: Secret | None = None
    """URL of a PostgreSQL database for the ledger, with its password; None for a file below `data`."""
    grace: float = 20.0
    """Seconds that running jobs get to end at shutdown."""
    host: str = "127.0.0.1"
    """Address of the health and metrics page."""
    port: int = 8080
    """Port of the health and metrics page; 0 picks a free one, -1 has none."""
    log_format: Literal["text", "json"] = "text"
    admin_token: Secret = field(default_factory=lambda: Secret(""))
    """The token that calls of the operator's API need; without one there is no API."""
    editor_token: Secret = field(default_factory=lambda: Secret(""))
    """Lets its holder also create and change providers, except for their secured values."""
    modeler_token: Secret = field(default_factory=lambda: Secret(""))
    """Lets its holder look, test sources and import templates."""
    viewer_token: Secret = field(default_factory=lambda: Secret(""))
    """Lets its holder look."""
    try_live: bool = False
    """Whether operators may try connectors with secrets and providers of the environment `live`."""
    page_data: PageData = "titles"
    """How much of what processes handle the operator's page shows."""
    keep_failures: bool = False
    """Whether failed jobs are kept in the ledger for a day, so that they survive a restart."""
    operate: str = ""
    """Address of the cluster's Operate, for links to instances."""
    admin_hosts: frozenset[str] = frozenset()
    """Names under which the API may be called, besides addresses and `localhost`."""

    @property
    def access_tokens(self) -> Mapping[str, Secret]:
        """The token of each role on the operator's port, by the role's name; an empty one lets nobody in."""
        return {
            "viewer": self.viewer_token,
            "modeler": self.modeler_token,
            "editor": self.editor_token,
            "operator": self.admin_token,
        }

    @classmethod
    def read(cls, environment: Environment) -> Settings:
        """Reads and checks all settings.

        Raises:
            SettingsError: Names the setting, where it stands, and the remedy.
        """
        worker = WorkerSettings(
            slots=int(environment.number("CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE", DEFAULT_SLOTS, minimum=1)),
            timeout=seconds(environment, "CAMUNDA_CLIENT_WORKER_DEFAULTS_TIMEOUT", DEFAULT_TIMEOUT, minimum=1.0),
            stream=environment.flag("CAMUNDA_CLIENT_WORKER_DEFAULTS_STREAM_ENABLED", default=True),
        )
        unresolved = environment.text(UNRESOLVED_SETTING, "warn").casefold()
        if unresolved not in {"warn", "incident"}:
            raise SettingsError(f"{UNRESOLVED_SETTING}: must be 'warn' or 'incident'")
        log_format = environment.text("ZEEBE_CONNECTORS_LOG_FORMAT", "text").casefold()
        if log_format not in {"text", "json"}:
            raise SettingsError("ZEEBE_CONNECTORS_LOG_FORMAT: must be 'text' or 'json'")
        data = Path(environment.text("ZEEBE_CONNECTORS_DATA", "var"))
        cluster = ClusterSettings.from_environment(environment)
        return cls(
            cluster=cluster,
            worker=worker,
            outbound=_selection(environment, "OUTBOUND"),
            inbound=_selection(environment, "INBOUND"),
            types=_per_connector(environment, "TYPE"),
            timeouts={
                name: _milliseconds(f"CONNECTOR_{name}_TIMEOUT", value)
                for name, value in _per_connector(environment, "TIMEOUT").items()
            },
            secrets_scope=_scope(environment),
            secrets_unresolved="incident" if unresolved == "incident" else "warn",
            max_cached_diagrams=_max_cached_diagrams(environment),
            files=tuple(Path(p) for p in environment.text("ZEEBE_CONNECTORS_FILES").split(os.pathsep) if p.strip()),
            processes=tuple(environment.names("ZEEBE_CONNECTORS_PROCESSES")),
            documents=Path(environment.text("ZEEBE_CONNECTORS_DOCUMENTS") or data / "documents"),
            diagrams=_path(environment, "ZEEBE_CONNECTORS_DIAGRAMS", is_folder=True),
            sources=_path(environment, "ZEEBE_CONNECTORS_SOURCES", is_folder=False),
            polling=_polling(environment, cluster),
            message_ttl=seconds(environment, "CAMUNDA_CONNECTOR_INBOUND_MESSAGE_TTL", 3600.0),
            data=data,
            ledger=ledger_url(environment),
            grace=seconds(environment, "ZEEBE_CONNECTORS_GRACE", 20.0),
            host=environment.text("ZEEBE_CONNECTORS_HOST", "127.0.0.1"),
            port=int(
                environment.number(
                    "ZEEBE_CONNECTORS_PORT",
                    environment.number("SERVER_PORT", 8080, maximum=65535),
                    minimum=-1,
                    maximum=65535,
                )
            ),
            log_format="json" if log_format == "json" else "text",
            admin_token=_token(environment, ADMIN_TOKEN_SETTING),
            editor_token=_token(environment, "ZEEBE_CONNECTORS_ADMIN_EDITOR_TOKEN"),
            modeler_token=_token(environment, "ZEEBE_CONNECTORS_ADMIN_MODELER_TOKEN"),
            viewer_token=_token(environment, "ZEEBE_CONNECTORS_ADMIN_VIEWER_TOKEN"),
            try_live=_try(environment),
            page_data=_page_data(environment),
            keep_failures=environment.flag("ZEEBE_CONNECTORS_KEEP_FAILURES", default=False),
            operate=_web_address(environment, "ZEEBE_CONNECTORS_OPERATE_URL"),
            admin_hosts=frozenset(item.casefold() for item in environment.names("ZEEBE_CONNECTORS_ADMIN_HOSTS")),
        )


def _scope(environment: Environment) -> Scope:
    """Returns what decides where placeholders resolve, by our name of the setting or by the official one."""
    for name, known in ((SCOPE_SETTING, _SCOPES), (FILTER_SETTING, _FILTERS)):
        if text := environment.text(name):
            if (scope := known.get(text.casefold())) is None:
                raise SettingsError(f"{name} ({environment.origin(name)}): must be one of {', '.join(known)}")
            return scope
    return "diagram"


def _max_cached_diagrams(environment: Environment) -> int:
    if not environment.flag(f"{_FILTER_CACHE}ENABLED", default=True):
        return 0
    return int(environment.number(f"{_FILTER_CACHE}MAXSIZE", 1000, minimum=1, maximum=100_000))


def _path(environment: Environment, name: str, *, is_folder: bool) -> Path | None:
    text = environment.text(name)
    if not text:
        return None
    if not Path(text).exists():
        raise SettingsError(
            f"{name} ({environment.origin(name)}): {text} does not exist; create it or unset the setting"
        )
    if Path(text).is_dir() != is_folder:
        wrong, right = ("file", "folder") if is_folder else ("folder", "file")
        raise SettingsError(f"{name} ({environment.origin(name)}): {text} is a {wrong}; name the {right}")
    return Path(text)


def ledger_url(environment: Environment) -> Secret | None:
    """Returns the URL of the ledger's database; None when the setting is empty.

    Raises:
        SettingsError: It is no such URL; the message does not repeat it, since it may hold a password.
    """
    name = "ZEEBE_CONNECTORS_LEDGER"
    text = environment.text(name).strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"postgresql", "postgres"} and bool(parts.hostname) and len(parts.path) > 1
        _ = parts.port  # raises if it is not a number
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            f"{name} ({environment.origin(name)}): must be like postgresql://user:password@host:5432/database, special "
            "characters of the password written as %XX; unset it to keep the ledger in a file in ZEEBE_CONNECTORS_DATA"
        )
    return Secret(text)


def _try(environment: Environment) -> bool:
    """Returns whether connectors may be tried in the environment `live` too."""
    text = environment.text("ZEEBE_CONNECTORS_TRY").casefold()
    if text not in {"", "live"}:
        raise SettingsError("ZEEBE_CONNECTORS_TRY: must be 'live', or be left out")
    return text == "live"


def _page_data(environment: Environment) -> PageData:
    name = "ZEEBE_CONNECTORS_PAGE_DATA"
    text = environment.text(name, "titles").casefold()
    if (found := _PAGE_DATA.get(text)) is None:
        raise SettingsError(f"{name} ({environment.origin(name)}): must be one of {', '.join(_PAGE_DATA)}")
    return found


def _web_address(environment: Environment, name: str) -> str:
    """Returns an address that a page may link to, without a slash at its end; empty when it is unset."""
    text = environment.text(name).rstrip("/")
    try:
        usable = not text or (urlsplit(text).scheme in {"http", "https"} and bool(urlsplit(text).hostname))
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{name} ({environment.origin(name)}): must be like https://operate.example.com")
    return text


def _token(environment: Environment, name: str) -> Secret:
    text = environment.text(name)
    if text and len(text) < MIN_TOKEN_LENGTH:
        raise SettingsError(f"{name} ({environment.origin(name)}): must have at least {MIN_TOKEN_LENGTH} characters")
    return Secret(text)


def _polling(environment: Environment, cluster: ClusterSettings) -> bool:
    name = "CAMUNDA_CONNECTOR_POLLING_ENABLED"
    wanted = environment.flag(name, default=False)
    if wanted and not cluster.rest_address:
        raise SettingsError(
            f"{name} ({environment.origin(name)}): the cluster's REST address is not set, where deployed processes are "
            "found; set CAMUNDA_CLIENT_REST_ADDRESS"
        )
    return wanted


def seconds(environment: Environment, name: str, default: float, *, minimum: float = 0.0) -> float:
    """Returns a duration setting: ISO 8601 (`PT30S`), with a unit (`30s`), or plain milliseconds as Camunda reads them.

    Raises:
        SettingsError: It is none of these, shorter than `minimum` or longer than a year.
    """
    text = environment.text(name)
    if not text:
        return default
    try:
        value = parse_setting(text)
    except ValueError as error:
        raise SettingsError(f"{name} ({environment.origin(name)}): {error}") from None
    if not minimum <= value <= MAX_DURATION:
        raise SettingsError(f"{name} ({environment.origin(name)}): must be at least {minimum:g} s and at most a year")
    return value


def _milliseconds(name: str, text: str) -> float:
    if not text.isdecimal() or not 0 < int(text) / 1000 <= MAX_DURATION:
        raise SettingsError(f"{name}: must be a whole number of milliseconds above zero, and at most a year")
    return int(text) / 1000


def normalized(name: str) -> str:
    """Returns a connector's name as it stands in `CONNECTOR_<NAME>_TYPE`."""
    return re.sub(r"[^A-Za-z0-9_ ]", "", name.strip().replace("-", "_")).replace(" ", "_").upper()


def _per_connector(environment: Environment, what: str) -> dict[str, str]:
    found = {}
    for name in environment:
        match = re.fullmatch(rf"CONNECTOR_(?!OUTBOUND|INBOUND)(\w+)_{what}", re.sub(r"[.-]", "_", name).upper())
        if match and environment[name].strip():
            found[match[1]] = environment[name].strip()
    return found


def _selection(environment: Environment, direction: str) -> Selection:
    on, off = f"CONNECTOR_{direction}_ENABLED", f"CONNECTOR_{direction}_DISABLED"
    enabled, disabled = (frozenset(item.casefold() for item in environment.names(name)) for name in (on, off))
    if enabled and disabled:
        raise SettingsError(f"{on} and {off} exclude each other; set only one")
    return Selection(enabled, disabled)
