"""Sign in to the cluster's REST API with the login that is used for the gateway."""

from __future__ import annotations

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.diagrams.cluster import ClusterApi
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.fields import Secret
from zeebe_connectors.web import NoAuth, Scheme
from zeebe_connectors.web.auth import Basic, ClientCredentials


def cluster_scheme(cluster: ClusterSettings) -> Scheme:
    """Returns the login as an authentication scheme for HTTP."""
    if cluster.auth == "basic":
        return Basic(type="basic", username=cluster.username, password=Secret(cluster.password))
    if cluster.auth == "oidc":
        return ClientCredentials(
            type="oauth-client-credentials-flow",
            oauth_token_endpoint=cluster.token_url,
            client_id=cluster.client_id,
            client_secret=Secret(cluster.client_secret),
            client_authentication="credentialsBody",
            audience=cluster.audience,
            scopes=cluster.scope,
        )
    return NoAuth()


def cluster_api(cluster: ClusterSettings, clients: ClientCache) -> ClusterApi | None:
    """Returns the REST API of the configured cluster; None when its address is not set."""
    if not cluster.rest_address:
        return None
    return ClusterApi(cluster.rest_address, clients, scheme=cluster_scheme(cluster))
