"""Hold what connectors get besides their inputs, made once for each runtime from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.providers import file_to_watch
from zeebe_connectors.config.secrets import Mask, SecretResolver, SecretUses, installed_providers, read_rules
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.net.egress import RULES, NetworkRules
from zeebe_connectors.runtime.cluster import GatewayCluster
from zeebe_connectors.runtime.cluster_login import cluster_api
from zeebe_connectors.runtime.diagrams import ClusterApi, DeployedHere, Diagrams
from zeebe_connectors.runtime.documents import documents_of
from zeebe_connectors.runtime.documents.trust import Everything
from zeebe_connectors.runtime.gateway import Gateway
from zeebe_connectors.runtime.ledger import Store, owner_name
from zeebe_connectors.runtime.providers import ENVIRONMENT_SETTING, Directory, Providers, ProviderStore, Sealer
from zeebe_connectors.runtime.secret_scope import SecretScope
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.cluster import Cluster, NoCluster
from zeebe_connectors.sdk.document import Documents
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.memory import Memory, ShortMemory


@dataclass(frozen=True, slots=True)
class Services:
    """What handling a job needs besides the job, shared by all connectors of one runtime."""

    secrets: SecretResolver
    clients: ClientCache
    documents: Documents
    files: AllowedFiles
    scope: SecretScope = field(default_factory=SecretScope)
    """Where placeholders resolve in a job's inputs."""
    diagrams: Diagrams = field(default_factory=Diagrams)
    """What the diagrams of deployed processes say."""
    api: ClusterApi | None = None
    """The cluster's REST API; None if its address is not set."""
    own: ClientCache = field(default_factory=ClientCache)
    """Clients for the cluster itself, whose address the operator chose, so that the rules for tasks do not apply."""
    memory: Memory = field(default_factory=ShortMemory)
    cluster: Cluster = field(default_factory=NoCluster)
    """The part of the engine that connectors may use."""
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The operator's settings by name; some set inputs of connectors."""
    providers: Providers | None = None
    """The named remote systems."""
    keeps_data: bool = False
    """Whether inputs and results of failed jobs are kept for the operator's page."""
    trust: Everything | None = None
    """Set in tests, where everything that looks like a document reference is genuine."""

    async def aclose(self) -> None:
        """Closes all clients."""
        await self.clients.aclose()
        await self.own.aclose()


def services_of(
    settings: Settings,
    environment: Environment,
    *,
    log_mask: Mask | None = None,
    memory: Memory | None = None,
    gateway: Gateway | None = None,
    store: Store | None = None,
) -> Services:
    """Makes what handling jobs needs, as the operator configured it.

    Args:
        settings: Directories, scope of secrets, the cluster's REST address.
        environment: For looking up secrets.
        log_mask: Learns every secret that is used.
        memory: The connectors' memory; by default, one that lasts until the process ends.
        gateway: The engine that connectors may use; None if they are only tried.
        store: The ledger's database, which may hold providers; without one, there are only those of the file.

    Raises:
        SettingsError: A proxy, a network rule or `providers.yaml` is wrong; the message names the setting, or file
            and line.
    """
    try:
        rules = NetworkRules.from_environment(environment)
    except InputError as error:
        raise SettingsError(error.message) from None
    clients = ClientCache(preset={RULES: rules})
    own = ClientCache(preset={RULES: NetworkRules(proxies=rules.proxies)})
    api = cluster_api(settings.cluster, own)
    secrets = SecretResolver(
        installed_providers(environment), log_mask=log_mask, uses=SecretUses(read_rules(environment))
    )
    return Services(
        secrets=secrets,
        providers=_providers(environment, secrets, clients, store),
        clients=clients,
        documents=documents_of(settings, environment, clients, own),
        files=AllowedFiles(settings.files),
        scope=SecretScope(settings.secrets_scope, settings.secrets_unresolved),
        diagrams=Diagrams(
            api,
            here=DeployedHere(settings.data / "diagrams"),
            folder=settings.diagrams,
            max_cached=settings.max_cached_diagrams,
        ),
        api=api,
        own=own,
        memory=memory or ShortMemory(),
        cluster=GatewayCluster(gateway, api, settings.processes) if gateway is not None else NoCluster(),
        settings=environment,
        keeps_data=settings.page_data == "all",
    )


def _providers(
    environment: Environment, secrets: SecretResolver, clients: ClientCache, store: Store | None
) -> Providers:
    sealer = Sealer.of(environment)
    directory = Directory(file_to_watch(environment), None if store is None else ProviderStore(store, sealer))
    directory.load()
    return Providers(
        directory,
        secrets,
        clients,
        environment=environment.text(ENVIRONMENT_SETTING),
        store=store,
        owner=owner_name(),
    )
