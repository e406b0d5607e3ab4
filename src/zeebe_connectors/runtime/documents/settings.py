"""Choose the document store from the operator's settings."""

from __future__ import annotations

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings, seconds
from zeebe_connectors.runtime.cluster_login import cluster_scheme
from zeebe_connectors.runtime.documents.cluster import ClusterDocuments
from zeebe_connectors.runtime.documents.content import HOSTS_SETTING
from zeebe_connectors.runtime.documents.errors import KEEP_SETTING
from zeebe_connectors.runtime.documents.local import MAX_STREAMED, LocalDocuments
from zeebe_connectors.sdk.client_cache import ClientCache

STORE_SETTING = "ZEEBE_CONNECTORS_DOCUMENT_STORE"
MAX_SETTING = "ZEEBE_CONNECTORS_DOCUMENTS_MAX_SIZE"
KEEP = 180 * 86_400.0
"""Default for how many seconds the local directory keeps a document after it was last read."""


def documents_of(
    settings: Settings, environment: Environment, clients: ClientCache, own: ClientCache | None = None
) -> LocalDocuments:
    """Makes the chosen store: a directory, or with `ZEEBE_CONNECTORS_DOCUMENT_STORE=cluster` the cluster's.

    `ZEEBE_CONNECTORS_DOCUMENTS_MAX_SIZE` is the maximum size of a server's file that becomes a document.
    `ZEEBE_CONNECTORS_DOCUMENTS_KEEP` says how long documents are kept after they were last read, such as `P30D`; if it
    is not set, the directory keeps them for 180 days and the cluster decides for itself. `PT0S` keeps all.

    Args:
        settings: Directory, and how to reach the cluster.
        environment: For these settings.
        clients: The runtime's clients.
        own: Clients for the cluster itself.

    Raises:
        SettingsError: The cluster is chosen and its REST address is missing, or a value is wrong.
    """
    keep = seconds(environment, KEEP_SETTING, 0.0) or None
    is_set = bool(environment.text(KEEP_SETTING))
    max_streamed = int(environment.number(MAX_SETTING, MAX_STREAMED, minimum=1, maximum=2**50))
    chosen = environment.text(STORE_SETTING, "local").casefold()
    hosts = environment.names(HOSTS_SETTING)
    if chosen == "local":
        keep = keep if is_set else KEEP
        return LocalDocuments(settings.documents, keep=keep, clients=clients, max_streamed=max_streamed, hosts=hosts)
    if chosen != "cluster":
        raise SettingsError(f"{STORE_SETTING}: must be 'local' or 'cluster'")
    cluster = settings.cluster
    if not cluster.rest_address:
        raise SettingsError(
            f"{STORE_SETTING} is 'cluster' and the cluster's REST address is not set: set CAMUNDA_CLIENT_REST_ADDRESS"
        )
    return ClusterDocuments(
        cluster.rest_address,
        settings.documents,
        scheme=cluster_scheme(cluster),
        keep=keep,
        clients=clients,
        hosts=hosts,
        own=own,
    )
