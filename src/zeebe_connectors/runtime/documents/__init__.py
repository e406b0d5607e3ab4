"""Store documents and read their references, in the official runtime's format.

Three kinds of references are read: `camunda` (in a store), `external` (on the web) and `inline` (in the reference
itself). What a connector creates goes to a store: a local directory, or the cluster's own through its REST API.
"""

from zeebe_connectors.runtime.documents.cluster import ClusterDocuments
from zeebe_connectors.runtime.documents.local import LOCAL_STORE, LocalDocuments
from zeebe_connectors.runtime.documents.settings import documents_of

__all__ = ["LOCAL_STORE", "ClusterDocuments", "LocalDocuments", "documents_of"]
